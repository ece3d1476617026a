#!/usr/bin/env bash
# One report of the benchmarks of this machine, to share: bench/on-a-pi.sh > report.md
# Takes ten minutes; stop the robot's own services before. The report has no names, addresses or settings of yours. What needs a
# program that is not installed is skipped, and the report names it. Arguments go to `npm run bench`, such as --only start,encoder.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { echo "$*" >&2; }
read_or() { { tr -d '\0' <"$1"; } 2>/dev/null || echo "$2"; }
command -v npm >/dev/null || { say "npm is missing: apt-get install npm"; exit 69; }
if [ ! -d node_modules ]; then
  say "installing packages (npm ci)"
  npm ci --no-audit --no-fund >&2
fi
if [ ! -x bench/viewers/receiver/receiver ] && command -v go >/dev/null; then
  say "building the receivers (npm run bench:build)"
  npm run --silent bench:build >&2 || say "that failed: the report has no viewers"
fi
echo "# Benchmark report"
echo
echo "- machine: $(read_or /proc/device-tree/model "$(uname -m)")"
echo "- kernel: $(uname -sr), $(nproc) cores, $(awk '/MemTotal/ { printf "%d MiB", $2 / 1024 }' /proc/meminfo)"
echo "- clock: $(read_or /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor unknown) governor"
echo "- temperature: $(read_or /sys/class/thermal/thermal_zone0/temp unknown) (1/1000 °C)"
if command -v vcgencmd >/dev/null; then echo "- throttled: $(vcgencmd get_throttled)"; fi
echo "- commit: $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
echo
failed=0
npm run --silent bench -- --no-docs "$@" || failed=$?
echo "- temperature afterwards: $(read_or /sys/class/thermal/thermal_zone0/temp unknown) (1/1000 °C)"
if command -v vcgencmd >/dev/null; then echo "- throttled afterwards: $(vcgencmd get_throttled)"; fi
exit "$failed"
