#!/usr/bin/env bash
# ./run fuzz: runs the targets that the preset `fuzz` has built, one after the other.
#   tests/fuzz/run.sh SECONDS keep|record TARGET...
# What a run learns stays in build/fuzz/corpus, so that the next one goes on from there; what it
# finds, minimised, in build/fuzz/findings. With `record` the counts go to docs/evidence/fuzzing.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

seconds=$1 record=$2
shift 2
findings=build/fuzz/findings
mkdir -p "$findings"
# No input may take seconds or hundreds of megabytes.
limits=(-timeout=5 -rss_limit_mb=1024 -malloc_limit_mb=256 -max_len=4096)
export ASAN_OPTIONS=quarantine_size_mb=4:allocator_release_to_os_interval_ms=-1
export UBSAN_OPTIONS=print_stacktrace=1

failed=0
for target in "$@"; do
  program=build/fuzz/tests/fuzz/${target}_fuzz
  learnt=build/fuzz/corpus/$target
  log=build/fuzz/$target.log
  dictionary=()
  [[ -f tests/fuzz/dict/$target.dict ]] && dictionary=(-dict="tests/fuzz/dict/$target.dict")
  mkdir -p "$learnt"
  outcome="no finding"
  "$program" "${limits[@]}" ${dictionary[@]+"${dictionary[@]}"} -max_total_time="$seconds" \
    -print_final_stats=1 -artifact_prefix="$findings/$target-" \
    "$learnt" "tests/fuzz/corpus/$target" >"$log" 2>&1 || {
    failed=1
    outcome="FINDING: $(grep -m 1 -oE 'does not hold:.*|runtime error:.*|ERROR: .*' "$log" || true)"
    found=$(sed -n 's/.*Test unit written to //p' "$log" | head -n 1)
    if [[ -n $found ]]; then
      "$program" "${limits[@]}" -minimize_crash=1 -max_total_time=30 \
        -exact_artifact_path="$found.min" "$found" >>"$log" 2>&1 || true
      outcome+=" (${found##*/})"
    fi
  }
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | head -n 1)
  printf '%-16s %12s executions   %s\n' "$target" "${executions:-0}" "$outcome"
  if [[ $record == record ]]; then
    tools/evidence add fuzzing "$target" "${executions:-0}" executions "$outcome"
  fi
done
exit "$failed"
