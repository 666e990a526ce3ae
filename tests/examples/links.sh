#!/usr/bin/env bash
# Every relative link and picture in the pages of the documentation leads to a file that is there.
set -euo pipefail
cd "$1"

bad=0
checked=0
for page in *.md docs/*.md examples/*.md bench/*.md share/*/*.md; do
    [ -e "$page" ] || continue
    while read -r link; do
        case $link in '' | '#'* | *://* | mailto:*) continue ;; esac
        checked=$((checked + 1))
        if [ ! -e "$(dirname "$page")/${link%%#*}" ]; then
            echo "$page: no such file: $link"
            bad=1
        fi
    done < <(grep -oE '\]\([^) ]+\)' "$page" | sed 's/^](//; s/)$//')
done
echo "$checked links"
[ "$checked" -gt 10 ] && [ $bad = 0 ]
