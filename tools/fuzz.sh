#!/bin/sh
# Builds the fuzz targets with clang in build-fuzz and runs each for SECONDS (60), as many at a time
# as there are cores. Seeds are those of tests/fuzz/corpus, which tests/fuzz/make_corpus.py writes, and of
# tests/fuzz/found, what was found before and is worth keeping; neither is written to. What is found on
# the way stays in build-fuzz/found/TARGET and is used again: copy to tests/fuzz/found/TARGET what is to be
# committed. Fails on a crash, a leak or a time-out
# and says where the input lies that shows it.
#   tools/fuzz.sh [SECONDS [TARGET…]]
# BUILD_FUZZ= another build folder; JOBS= how many at a time.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
build=${BUILD_FUZZ:-build-fuzz}
jobs=${JOBS:-$(nproc)}

mkdir -p "$build"
if ! { cmake -S . -B "$build" -DSQ_FUZZ=ON -DCMAKE_C_COMPILER="${CLANG:-clang}" \
    -DCMAKE_BUILD_TYPE=RelWithDebInfo && cmake --build "$build" -j "$jobs" --target fuzz; } \
    > "$build/fuzz-build.log" 2>&1; then
    tail -40 "$build/fuzz-build.log"
    echo "fuzz: the targets do not build ($build/fuzz-build.log)" >&2
    exit 1
fi

if [ $# -eq 0 ]; then
    set -- $(cd tests/fuzz && ls fuzz_*.c | sed 's/^fuzz_//; s/\.c$//')
fi

# One target; its last lines go to found/TARGET.result.
cat > "$build/fuzz-one.sh" <<'EOF'
#!/bin/sh
build=$1; seconds=$2; target=$3
found=$build/found/$target
log=$build/found/$target.log
mkdir -p "$found" "$build/crashes"
rm -f "$build/found/$target.failed"
kept=tests/fuzz/found/$target
[ -d "$kept" ] || kept=
"$build/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
    -artifact_prefix="$build/crashes/$target-" -print_final_stats=1 "$found" "tests/fuzz/corpus/$target" ${kept:+"$kept"} \
    > "$log" 2>&1
status=$?
execs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
cover=$(grep -o 'cov: [0-9]*' "$log" | tail -1 | cut -d' ' -f2)
if [ $status -eq 0 ]; then
    printf '%-12s ok      %9s executions  coverage %s\n' "$target" "${execs:-?}" "${cover:-?}"
else
    touch "$build/found/$target.failed"
    printf '%-12s FAILED  %s\n' "$target" "$(grep -m1 -E 'SUMMARY|broken:|ERROR' "$log")"
    grep 'Test unit written to' "$log" | sed "s/.*Test unit written to/    reproduce: $(echo "$build" | sed 's/[\/&]/\\&/g')\/fuzz\/fuzz_$target/"
    echo "    log: $log"
fi
EOF
chmod +x "$build/fuzz-one.sh"
printf '%s\n' "$@" | xargs -n 1 -P "$jobs" "$build/fuzz-one.sh" "$build" "$seconds"
for target in "$@"; do
    if [ -e "$build/found/$target.failed" ]; then
        exit 1
    fi
done
