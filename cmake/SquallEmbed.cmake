# sq_embed(TARGET FILE...): builds files into a library as text. share/report/report.css becomes
#   extern const unsigned char sq_asset_report_css[];  (NUL-terminated)
#   extern const size_t sq_asset_report_css_len;
# which the code that uses them declares. Runs as `cmake -P` too: that writes one such C file.

if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${SQ_EMBED_IN} hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR length "${digits} / 2")
  string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
  file(WRITE ${SQ_EMBED_OUT} "/* Made from ${SQ_EMBED_NAME}. */\n#include <stddef.h>\n"
       "extern const unsigned char sq_asset_${SQ_EMBED_SYMBOL}[];\n"
       "extern const size_t sq_asset_${SQ_EMBED_SYMBOL}_len;\n"
       "const size_t sq_asset_${SQ_EMBED_SYMBOL}_len = ${length};\n"
       "const unsigned char sq_asset_${SQ_EMBED_SYMBOL}[] = {\n${hex}0};\n")
  return()
endif()

set(SQ_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

function(sq_embed target)
  if(NOT TARGET ${target})
    return()
  endif()
  foreach(file ${ARGN})
    get_filename_component(name ${file} NAME)
    string(MAKE_C_IDENTIFIER ${name} symbol)
    set(out ${CMAKE_BINARY_DIR}/assets/${symbol}.c)
    add_custom_command(OUTPUT ${out}
      COMMAND ${CMAKE_COMMAND} -DSQ_EMBED_IN=${CMAKE_SOURCE_DIR}/${file} -DSQ_EMBED_OUT=${out}
              -DSQ_EMBED_NAME=${file} -DSQ_EMBED_SYMBOL=${symbol} -P ${SQ_EMBED_SCRIPT}
      DEPENDS ${CMAKE_SOURCE_DIR}/${file} ${SQ_EMBED_SCRIPT} VERBATIM)
    target_sources(${target} PRIVATE ${out})
  endforeach()
endfunction()
