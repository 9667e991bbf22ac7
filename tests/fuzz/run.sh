#!/usr/bin/env bash
# ./run fuzz: runs the targets that the preset `fuzz` has built, one after the other.
#   tests/fuzz/run.sh seconds|executions N keep|record TARGET...
# What a run learns stays in build/fuzz/corpus, so that the next one goes on from there; what it
# finds, minimised, in build/fuzz/findings. With `record` the counts go to docs/evidence/fuzzing.md.
#
# Three quarters of N go to short inputs, as long as the longest seed: they run several times
# as fast, and most of what can be wrong shows in them. The rest goes to long ones.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

unit=$1 amount=$2 record=$3
shift 3
findings=build/fuzz/findings
mkdir -p "$findings"
# No input may take seconds or hundreds of megabytes.
limits=(-timeout=5 -rss_limit_mb=1024 -malloc_limit_mb=256)
# Where memory came from is of interest only once something was found.
fast=quarantine_size_mb=4:allocator_release_to_os_interval_ms=-1:malloc_context_size=0
export UBSAN_OPTIONS=print_stacktrace=1
short_bytes_min=512
long_bytes=4096
case $unit in
  seconds) limit=-max_total_time ;;
  executions) limit=-runs ;;
esac

short_bytes() {  # TARGET
  find "tests/fuzz/corpus/$1" -name 'seed-*' -printf '%s\n' | sort -n |
    awk -v least="$short_bytes_min" '{ most = $1 } END { print (most > least ? most : least) }'
}

failed=0
commit=$(tools/evidence commit)
for target in "$@"; do
  program=build/fuzz/tests/fuzz/${target}_fuzz
  learnt=build/fuzz/corpus/$target
  log=build/fuzz/$target.log
  dictionary=()
  [[ -f tests/fuzz/dict/$target.dict ]] && dictionary=(-dict="tests/fuzz/dict/$target.dict")
  mkdir -p "$learnt"
  outcome="no finding"
  run_for() {  # AMOUNT MAX_BYTES
    ASAN_OPTIONS=$fast "$program" "${limits[@]}" ${dictionary[@]+"${dictionary[@]}"} \
      "$limit=$1" -max_len="$2" -entropic_scale_per_exec_time=1 -print_final_stats=1 \
      -artifact_prefix="$findings/$target-" "$learnt" "tests/fuzz/corpus/$target" >>"$log" 2>&1
  }
  : >"$log"
  long=$(((amount + 3) / 4))
  { run_for $((amount - long)) "$(short_bytes "$target")" && run_for "$long" "$long_bytes"; } || {
    failed=1
    outcome="FINDING: $(grep -m 1 -oE 'does not hold:.*|runtime error:.*|ERROR: .*' "$log" || true)"
    found=$(sed -n 's/.*Test unit written to //p' "$log" | head -n 1)
    if [[ -n $found ]]; then
      "$program" "${limits[@]}" "$found" >>"$log" 2>&1 || true
      "$program" "${limits[@]}" -minimize_crash=1 -max_total_time=30 \
        -exact_artifact_path="$found.min" "$found" >>"$log" 2>&1 || true
      outcome+=" (${found##*/})"
    fi
  }
  executions=$(awk '/^stat::number_of_executed_units:/ { sum += $2 } END { print sum + 0 }' "$log")
  printf '%-16s %12s executions   %s\n' "$target" "$executions" "$outcome"
  if [[ $record == record ]]; then
    tools/evidence add --at "$commit" fuzzing "$target" "$executions" executions "$outcome"
  fi
done
exit "$failed"
