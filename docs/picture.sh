#!/usr/bin/env bash
# Photographs the quickstart's report into docs/report.png (make picture).
set -euo pipefail
cd "$(dirname "$0")/.."
report=runs/quickstart/report.html
picture=docs/report.png

[[ -f $report ]] || { echo "$report is not there; run 'make study' first" >&2; exit 2; }

browser=""
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null 2>&1; then browser=$name; break; fi
done
[[ -n $browser ]] || { echo "no Chromium on the PATH; try 'apt-get install chromium'" >&2; exit 2; }

profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
flags=(--headless --disable-gpu --no-first-run --disable-background-networking
  --disable-component-update --disable-sync --hide-scrollbars --virtual-time-budget=10000
  "--user-data-dir=$profile" --window-size=1200,1500)
if [[ $(id -u) == 0 ]]; then flags+=(--no-sandbox); fi  # Chromium has no sandbox for root

"$browser" "${flags[@]}" "--screenshot=$PWD/$picture" "file://$PWD/$report"
[[ -s $picture ]] || { echo "$browser wrote no picture" >&2; exit 1; }
echo "$picture"
