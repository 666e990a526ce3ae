#!/usr/bin/env bash
# make lint: formatting, room order, lengths, names, clang-tidy. The first argument is the build folder with
# compile_commands.json; further ones limit clang-tidy and clang-format to paths that start with them.
set -u
cd "$(dirname "$0")/.." || exit 2
build=${1:-build}
shift || true
only=${*:-.}
failed=0

mapfile -t files < <(git ls-files -co --exclude-standard -- $only | grep -E '\.(c|h)$' | while read -r f; do [ -e "$f" ] && echo "$f"; done)

echo "lint: clang-format"
if ! clang-format --dry-run -Werror "${files[@]}"; then
    echo "lint: run 'make format'" >&2
    failed=1
fi

echo "lint: rooms and lengths"
python3 tools/lint_rooms.py || failed=1

echo "lint: names"
python3 tools/lint_names.py || failed=1

echo "lint: clang-tidy"
mapfile -t units < <(printf '%s\n' "${files[@]}" | grep '\.c$' | while read -r f; do
    grep -q "\"file\": \".*/$f\"" "$build/compile_commands.json" && echo "$f"
done)
if [ ${#units[@]} -gt 0 ]; then
    # The analyzer's budget of a function, from 225,000 nodes down: two fifths of the time.
    budget="--extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg=max-nodes=50000"
    printf '%s\n' "${units[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy -p "$build" --quiet $budget \
        --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-ignored-optimization-argument 2> >(grep -v 'warnings generated' >&2) || failed=1
fi

[ $failed = 0 ] && echo "lint: clean"
exit $failed
