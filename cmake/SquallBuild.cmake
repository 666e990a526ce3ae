# One static library a room of src/, each linked with the rooms below it; one test program for each
# tests/ROOM/test_*.c. No list of files is kept by hand: a new file is picked up by the next build.

find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(MHD REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_search_module(LUA REQUIRED IMPORTED_TARGET lua5.4 lua-5.4 lua54)

# `squall media prepare` needs libav as of FFmpeg 5.1; all else does without.
pkg_check_modules(LIBAV IMPORTED_TARGET libavformat>=59.27 libavcodec>=59.37 libavutil>=57.28 libswscale libswresample)
if(NOT LIBAV_FOUND)
  message(STATUS "libav not found, or older than FFmpeg 5.1: squall media prepare says so")
endif()

find_library(WSLAY_LIB wslay REQUIRED) # Debian ships no .pc file for it

# libavcodec decodes what peers receive (--decode); without it that option is refused.
pkg_check_modules(AVCODEC IMPORTED_TARGET libavcodec libavutil)
if(AVCODEC_FOUND)
  set(SQ_HAVE_LIBAV 1)
endif()

# io_uring serves many sockets in a system call; without it each datagram is one of its own.
pkg_check_modules(URING IMPORTED_TARGET liburing>=2.1)
if(NOT URING_FOUND)
  message(STATUS "liburing not found: a system call a datagram, with fewer peers a core")
endif()

# libipsec-mb is an x86-64 library; elsewhere SRTP runs on OpenSSL alone, and so it does with one
# older than 1.3 (Ubuntu 22.04), which has no bursts of ciphers.
find_library(IPSEC_MB_LIB IPSec_MB)
find_path(IPSEC_MB_INCLUDE intel-ipsec-mb.h)
if(IPSEC_MB_LIB AND IPSEC_MB_INCLUDE AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64")
  file(STRINGS ${IPSEC_MB_INCLUDE}/intel-ipsec-mb.h SQ_IMB_BURSTS REGEX "IMB_SUBMIT_CIPHER_BURST_NOCHECK")
  if(SQ_IMB_BURSTS)
    set(SQ_HAVE_IPSEC_MB 1)
  else()
    message(STATUS "libipsec-mb is older than 1.3: SRTP runs on OpenSSL, with fewer peers a core")
  endif()
endif()

execute_process(COMMAND git -C ${CMAKE_SOURCE_DIR} rev-parse --short=12 HEAD
                OUTPUT_VARIABLE SQ_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT SQ_COMMIT)
  set(SQ_COMMIT unknown)
endif()

add_library(sq_flags INTERFACE)
target_include_directories(sq_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_definitions(sq_flags INTERFACE _GNU_SOURCE $<$<BOOL:${SQ_HAVE_IPSEC_MB}>:SQ_HAVE_IPSEC_MB=1>
  $<$<BOOL:${SQ_HAVE_LIBAV}>:SQ_HAVE_LIBAV=1> $<$<BOOL:${URING_FOUND}>:SQ_HAVE_URING=1>)
target_compile_options(sq_flags INTERFACE
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings
  -Wvla -Wno-unused-parameter -fno-strict-aliasing -fno-omit-frame-pointer)
if(SQ_WERROR)
  target_compile_options(sq_flags INTERFACE -Werror)
endif()
if(SQ_SANITIZE)
  target_compile_options(sq_flags INTERFACE -fsanitize=${SQ_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(sq_flags INTERFACE -fsanitize=${SQ_SANITIZE})
endif()
if(SQ_FUZZ)
  target_compile_options(sq_flags INTERFACE -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
  target_link_options(sq_flags INTERFACE -fsanitize=address,undefined)
endif()

# The rooms that a packet goes through are optimized together with the program: calls between them are
# many and short. Their objects are fat, so that tests link as they always did, in no time. Only GCC
# makes such objects; and who debugs, or builds with a sanitizer, wants neither.
set(SQ_PACKET_ROOMS base net stats media peer run)
set(SQ_HOT_ROOMS base net stats peer) # with -O3, which in the others makes GCC warn for nothing
set(SQ_LTO_ON OFF)
if(SQ_LTO AND CMAKE_C_COMPILER_ID STREQUAL GNU AND CMAKE_BUILD_TYPE MATCHES "^(Release|RelWithDebInfo)$"
   AND NOT SQ_SANITIZE AND NOT SQ_FUZZ)
  include(CheckIPOSupported)
  check_ipo_supported(RESULT SQ_LTO_ON OUTPUT SQ_LTO_WHY LANGUAGES C)
  if(NOT SQ_LTO_ON)
    message(STATUS "no link-time optimization, with a few per cent fewer peers a core: ${SQ_LTO_WHY}")
  endif()
endif()
if(SQ_LTO_ON)
  # Without this the linker's plug-in would optimize each of them.
  target_link_options(sq_flags INTERFACE $<$<NOT:$<BOOL:$<TARGET_PROPERTY:SQ_LTO_LINK>>>:-fno-lto>)
endif()

# sq_optimize(ROOM): as a room of the packet path, if it is one.
function(sq_optimize room)
  if(SQ_LTO_ON AND room IN_LIST SQ_PACKET_ROOMS)
    target_compile_options(sq_${room} PRIVATE -flto=auto -ffat-lto-objects)
    if(room IN_LIST SQ_HOT_ROOMS)
      target_compile_options(sq_${room} PRIVATE -O3)
    endif()
  endif()
endfunction()

# The rooms below each room: what it may include and links with. tools/lint checks the same order.
set(SQ_DEPS_base)
set(SQ_DEPS_net base)
set(SQ_DEPS_stats base)
set(SQ_DEPS_media stats base)
set(SQ_DEPS_peer media stats base)
set(SQ_DEPS_signal peer net media stats base)
set(SQ_DEPS_scenario base)
set(SQ_DEPS_run scenario signal peer net media stats base)
set(SQ_DEPS_store run scenario stats base)
set(SQ_DEPS_report store run scenario stats base)
set(SQ_DEPS_prepare media stats base)
set(SQ_DEPS_lab run scenario signal peer net media stats base)

set(SQ_LIBS_base)
set(SQ_LIBS_net PkgConfig::CURL ${WSLAY_LIB} PkgConfig::MHD PkgConfig::CARES OpenSSL::SSL OpenSSL::Crypto
    $<$<BOOL:${URING_FOUND}>:PkgConfig::URING>)
set(SQ_LIBS_stats)
set(SQ_LIBS_media $<$<BOOL:${SQ_HAVE_LIBAV}>:PkgConfig::AVCODEC>)
set(SQ_LIBS_peer OpenSSL::SSL OpenSSL::Crypto $<$<BOOL:${SQ_HAVE_IPSEC_MB}>:${IPSEC_MB_LIB}>)
set(SQ_LIBS_signal PkgConfig::JANSSON PkgConfig::LUA)
set(SQ_LIBS_scenario PkgConfig::YAML)
set(SQ_LIBS_run PkgConfig::JANSSON)
set(SQ_LIBS_store PkgConfig::JANSSON)
set(SQ_LIBS_report PkgConfig::JANSSON)
set(SQ_LIBS_prepare $<$<BOOL:${LIBAV_FOUND}>:PkgConfig::LIBAV>)
set(SQ_LIBS_lab PkgConfig::JANSSON)

# sq_room(NAME): the static library of src/NAME, or nothing while that room is empty.
function(sq_room name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.c)
  if(name STREQUAL prepare AND LIBAV_FOUND)
    list(FILTER sources EXCLUDE REGEX "/absent\\.c$")
  elseif(name STREQUAL prepare)
    list(FILTER sources INCLUDE REGEX "/(absent|moves|turn|writer)\\.c$")
  endif()
  if(NOT sources)
    return()
  endif()
  add_library(sq_${name} STATIC ${sources})
  target_link_libraries(sq_${name} PUBLIC sq_flags Threads::Threads m ${SQ_LIBS_${name}})
  foreach(dep ${SQ_DEPS_${name}})
    if(TARGET sq_${dep})
      target_link_libraries(sq_${name} PUBLIC sq_${dep})
    endif()
  endforeach()
  target_compile_definitions(sq_${name} PRIVATE SQ_VERSION="${PROJECT_VERSION}")
  sq_optimize(${name})
endfunction()

# sq_link_rooms(TARGET): links every room that exists.
function(sq_link_rooms target)
  target_link_libraries(${target} PRIVATE sq_flags)
  foreach(room prepare lab report store run scenario signal peer media stats net base)
    if(TARGET sq_${room})
      target_link_libraries(${target} PRIVATE sq_${room})
    endif()
  endforeach()
endfunction()

# The program: src/cli, which may use every room. All of it but main.c is the library sq_cli, so that
# its tests link what they need. Only here is the commit known: a new one rebuilds no room.
function(sq_program)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/cli/*.c)
  list(FILTER sources EXCLUDE REGEX "/cli/main\\.c$")
  if(NOT sources)
    return()
  endif()
  add_library(sq_cli STATIC ${sources})
  sq_link_rooms(sq_cli)
  target_link_libraries(sq_cli PRIVATE PkgConfig::JANSSON)
  add_executable(squall ${CMAKE_SOURCE_DIR}/src/cli/main.c)
  target_link_libraries(squall PRIVATE sq_cli)
  sq_link_rooms(squall)
  foreach(target sq_cli squall)
    target_compile_definitions(${target} PRIVATE SQ_VERSION="${PROJECT_VERSION}" SQ_COMMIT="${SQ_COMMIT}")
  endforeach()
  set_target_properties(squall PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  if(SQ_LTO_ON)
    set_target_properties(squall PROPERTIES SQ_LTO_LINK ON)
    target_link_options(squall PRIVATE -flto=auto)
  endif()
endfunction()

function(sq_test_settings target)
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_compile_definitions(${target} PRIVATE SQ_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
                             SQ_BINARY_DIR="${CMAKE_BINARY_DIR}")
endfunction()

# Rooms without threads: ThreadSanitizer slows them tenfold and cannot find anything in them.
set(SQ_ROOMS_WITHOUT_THREADS base stats media peer scenario store report sim)

# Their tests compute, and take a core; those of other rooms mostly wait for real time, if no sanitizer slows them.
# ctest has two slots a core.
set(SQ_ROOMS_THAT_COMPUTE base stats media peer scenario sim store report prepare regress)

# What sim/congestion writes is drawn.
function(sq_plot_test)
  find_program(SQ_PLOT_PYTHON python3)
  if(TARGET test_sim_congestion AND SQ_PLOT_PYTHON)
    add_test(NAME sim/plot COMMAND ${SQ_PLOT_PYTHON} -B ${CMAKE_SOURCE_DIR}/tests/sim/plot.py ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR})
    set_tests_properties(sim/congestion PROPERTIES FIXTURES_SETUP bwe_series)
    set_tests_properties(sim/plot PROPERTIES FIXTURES_REQUIRED bwe_series LABELS unit TIMEOUT 60)
  endif()
endfunction()

# Seeds of the fuzz targets: what was found is not lost when they are written anew.
function(sq_corpus_test)
  find_program(SQ_PLOT_PYTHON python3)
  if(SQ_PLOT_PYTHON)
    add_test(NAME fuzz/corpus COMMAND ${SQ_PLOT_PYTHON} -B ${CMAKE_SOURCE_DIR}/tests/fuzz/test_corpus.py)
    set_tests_properties(fuzz/corpus PROPERTIES LABELS unit TIMEOUT 60)
  endif()
endfunction()

# tests/ROOM/test_NAME.c becomes the program and the ctest case ROOM/NAME. Helpers that several tests
# of a room share stand in other .c files of that folder and are the library sq_test_ROOM.
function(sq_tests)
  find_library(CMOCKA_LIB cmocka)
  if(NOT CMOCKA_LIB)
    message(STATUS "cmocka not found: unit tests are not built")
    return()
  endif()
  foreach(room base net stats media peer signal scenario run store report lab prepare cli sim regress)
    if(SQ_SANITIZE STREQUAL thread AND room IN_LIST SQ_ROOMS_WITHOUT_THREADS)
      continue()
    endif()
    set(slots 1)
    if(room IN_LIST SQ_ROOMS_THAT_COMPUTE OR SQ_SANITIZE)
      set(slots 2)
    endif()
    file(GLOB tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${room}/test_*.c)
    file(GLOB shared CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${room}/*.c)
    list(FILTER shared EXCLUDE REGEX "/test_[^/]*\\.c$")
    if(SQ_SANITIZE STREQUAL thread) # errors of Lua's by the ten thousand jump past what it keeps of calls
      list(FILTER tests EXCLUDE REGEX "/test_lua_pattern\\.c$")
    endif()
    if(shared)
      add_library(sq_test_${room} STATIC ${shared})
      sq_link_rooms(sq_test_${room})
      sq_test_settings(sq_test_${room})
    endif()
    set(long run/shard run/shard_shape run/steps run/endpoint run/script run/reconnect run/user_network report/compare prepare/prepare
             cli/run_tell signal/pair)
    foreach(test ${tests})
      get_filename_component(stem ${test} NAME_WE)
      string(REGEX REPLACE "^test_" "" short ${stem})
      set(target test_${room}_${short})
      add_executable(${target} ${test})
      if(shared)
        target_link_libraries(${target} PRIVATE sq_test_${room})
      endif()
      if(room STREQUAL cli AND TARGET sq_cli)
        target_link_libraries(${target} PRIVATE sq_cli)
      endif()
      sq_link_rooms(${target})
      sq_test_settings(${target})
      target_link_libraries(${target} PRIVATE ${CMOCKA_LIB} ${SQ_TEST_LIBS_${room}_${short}})
      set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
      add_test(NAME ${room}/${short} COMMAND ${target})
      set_tests_properties(${room}/${short} PROPERTIES TIMEOUT 120 LABELS unit PROCESSORS ${slots})
      if(${room}/${short} IN_LIST long)
        set_tests_properties(${room}/${short} PROPERTIES COST 100) # begins early: nobody waits for it alone at the end
      endif()
    endforeach()
  endforeach()
  sq_plot_test()
  sq_corpus_test()
  if(EXISTS ${CMAKE_SOURCE_DIR}/tests/interop/CMakeLists.txt)
    add_subdirectory(tests/interop)
  endif()
  if(EXISTS ${CMAKE_SOURCE_DIR}/tests/examples/CMakeLists.txt)
    add_subdirectory(tests/examples)
  endif()
endfunction()

function(sq_bench)
  if(EXISTS ${CMAKE_SOURCE_DIR}/bench/CMakeLists.txt AND NOT SQ_SANITIZE) # nobody measures with a sanitizer
    add_subdirectory(bench)
  endif()
endfunction()

function(sq_install)
  if(NOT TARGET squall)
    return()
  endif()
  include(GNUInstallDirs)
  install(TARGETS squall RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  if(EXISTS ${CMAKE_SOURCE_DIR}/share)
    install(DIRECTORY share/ DESTINATION ${CMAKE_INSTALL_DATADIR}/squall)
  endif()
endfunction()

# Extra libraries of single tests: libsrtp2 is the oracle of SRTP's tests, and nothing else links it.
set(SQ_TEST_LIBS_peer_srtp srtp2)
set(SQ_TEST_LIBS_store_store sq_test_report) # results to be read back
set(SQ_TEST_LIBS_lab_whip sq_test_net) # certificates
