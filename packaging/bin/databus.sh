#!/usr/bin/env bash
# Starts and stops a Databus worker in the background, with the arguments of the original's script.
set -uo pipefail

usage() {
  cat <<'END'
databus.sh start CFG [OPTION...]     start a worker; the options go to `databus worker`
databus.sh stop CFG                  end it, and wait until it has ended
databus.sh restart CFG [OPTION...]   stop, then start
databus.sh collapse URL DIR          join the entries of a queue (databus collapse --help)

CFG is databus.cfg. Its cluster list is a part of the names of the pid and log files, so that
workers of several data centres can run on one machine.

Environment, also read from databus.env beside CFG (a value that is set already is kept):
  DATABUS_PID_DIR     where databus-<clusters>.pid is put      (/tmp/databus)
  DATABUS_LOG_DIR     where databus-<clusters>.log is put      (/tmp/databus)
  DATABUS_HOME        holds the program, as databus or bin/databus
  DATABUS_STOP_S      seconds that stop waits before it kills  (300)
  DATABUS_START_S     seconds that start watches the new worker for an early end (2)

Exit: 0 done, 1 failed, 2 wrong arguments or a configuration that is refused, 3 nothing to do
(start: it runs already; stop: it does not run).
END
}

say() { echo "databus.sh: $*"; }
fail() {  # EXIT-CODE MESSAGE
  echo "databus.sh: $2" >&2
  exit "$1"
}

# --- The program.

find_program() {
  local here candidate
  here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
  for candidate in \
    ${DATABUS_HOME:+"$DATABUS_HOME/bin/databus" "$DATABUS_HOME/databus"} \
    "$here/databus" "$here/../../build/databus"; do
    if [[ -f $candidate && -x $candidate ]]; then
      readlink -f "$candidate"
      return
    fi
  done
  if candidate=$(command -v databus); then
    readlink -f "$candidate"
    return
  fi
  fail 1 "the program databus is neither beside this script nor in DATABUS_HOME nor in PATH"
}

# --- The configuration.

# Sets what databus.env beside CFG says, where the environment says nothing.
read_environment() {  # CFG
  local file key value
  file=$(dirname "$1")/databus.env
  [[ -f $file ]] || return 0
  while IFS='=' read -r key value || [[ -n $key ]]; do
    key=${key#export }
    [[ $key =~ ^DATABUS_[A-Z_]+$ ]] || continue
    value=${value%$'\r'}
    value=${value#[\"\']}
    value=${value%[\"\']}
    [[ -n ${!key:-} ]] || export "$key=$value"
  done <"$file"
}

# The cluster list of CFG as a part of a file name: "dc1,dc2" is dc1_dc2.
cluster_list() {  # CFG
  local list
  list=$(sed -n 's/^[[:space:]]*com\.inmobi\.databus\.clusters[[:space:]]*[=:][[:space:]]*//p' \
    "$1" | tail -n 1 | tr -d '[:space:]')
  [[ -n $list ]] || fail 2 "$1: has no com.inmobi.databus.clusters"
  list=${list//,/_}
  [[ $list =~ ^[A-Za-z0-9._-]+$ ]] || fail 2 "$1: com.inmobi.databus.clusters: not a list of names"
  echo "$list"
}

prepare() {  # CFG
  [[ -f $1 && -r $1 ]] || fail 2 "$1: no such file, or it cannot be read"
  cfg=$(readlink -f "$1")
  read_environment "$cfg"
  name=$(cluster_list "$cfg") || exit 2
  pid_dir=${DATABUS_PID_DIR:-/tmp/databus}
  log_dir=${DATABUS_LOG_DIR:-/tmp/databus}
  stop_s=${DATABUS_STOP_S:-300}
  start_s=${DATABUS_START_S:-2}
  [[ $stop_s =~ ^[0-9]+$ ]] || fail 2 "DATABUS_STOP_S: found '$stop_s', expected seconds"
  [[ $start_s =~ ^[0-9]+$ ]] || fail 2 "DATABUS_START_S: found '$start_s', expected seconds"
  mkdir -p "$pid_dir" || fail 1 "$pid_dir: cannot be made"
  mkdir -p "$log_dir" || fail 1 "$log_dir: cannot be made"
  pid_file=$pid_dir/databus-$name.pid
  log_file=$log_dir/databus-$name.log
}

# Two of these scripts at once on one pid file wait for each other. The lock ends with the script:
# what it starts does not inherit it.
lock() {
  exec 9>"$pid_dir/.databus-$name.lock" || fail 1 "$pid_dir: cannot be written"
  flock 9 || fail 1 "$pid_dir: cannot be locked"
}

# --- The process.

# When the process was started, in the kernel's own ticks: with the number it names one process for
# ever, which the number alone does not.
start_of() {  # PID
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  # The name in parentheses may hold anything; the 20th field after it is the time.
  stat=${stat##*) }
  # A dead process that nobody has waited for is none.
  [[ ${stat%% *} != Z ]] || return 1
  cut -d ' ' -f 20 <<<"$stat"
}

# Sets `pid` if the pid file names our worker; else removes a stale file.
find_worker() {
  local written
  pid='' written=''
  [[ -f $pid_file ]] || return 1
  read -r pid written <"$pid_file" || true
  if [[ $pid =~ ^[0-9]+$ ]] && is_ours "$written"; then
    return 0
  fi
  say "$pid_file is stale: process ${pid:-?} is gone or another program; removed"
  rm -f "$pid_file"
  pid=''
  return 1
}

# Whether `pid` is what the pid file meant: it began when that says. A file without a time, of the
# original's form, is believed if the process is a databus worker.
is_ours() {  # START-TIME
  local now
  now=$(start_of "$pid") || return 1
  if [[ -n $1 ]]; then
    [[ $1 == "$now" ]]
  else
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q 'databus.* worker '
  fi
}

wait_for_end() {  # SECONDS
  local left=$(($1 * 10)) began
  began=$(start_of "$pid") || return 0
  while [[ $(start_of "$pid") == "$began" ]]; do
    ((left-- > 0)) || return 1
    sleep 0.1
  done
}

# --- The commands.

start() {  # OPTION...
  local program began code
  if find_worker; then
    say "a worker for $name runs already, as process $pid; log: $log_file"
    return 3
  fi
  program=$(find_program) || exit 1
  # In a session of its own: it outlives the terminal, and a signal to this script's group.
  setsid "$program" worker --config "$cfg" "$@" >>"$log_file" 2>&1 </dev/null 9>&- &
  pid=$!
  if began=$(start_of "$pid") && printf '%s %s\n' "$pid" "$began" >"$pid_file.new" &&
    mv "$pid_file.new" "$pid_file"; then
    if ! wait_for_end "$start_s"; then
      say "worker for $name started as process $pid; log: $log_file"
      return 0
    fi
  else
    kill -TERM "$pid" 2>/dev/null
  fi
  wait "$pid"
  code=$?
  rm -f "$pid_file"
  echo "databus.sh: the worker for $name ended at once, with exit code $code; the end of $log_file:" >&2
  tail -n 5 "$log_file" >&2
  # Exit 2 of the program: somebody has to change something.
  ((code == 2)) && return 2
  return 1
}

stop() {
  local code=0
  if ! find_worker; then
    say "no worker for $name runs"
    return 3
  fi
  kill -TERM "$pid" 2>/dev/null || true
  if ! wait_for_end "$stop_s"; then
    say "the worker for $name, process $pid, has not ended within $stop_s s; it is killed." \
      "Nothing is lost by that; the next start takes a little longer"
    kill -KILL "$pid" 2>/dev/null || true
    wait_for_end 30 || { say "process $pid does not die; see what its disk does"; code=1; }
  fi
  ((code == 0)) && rm -f "$pid_file" && say "worker for $name stopped"
  return "$code"
}

main() {
  local command=${1:-} code=0 program
  case $command in
    start | stop | restart)
      (($# >= 2)) || fail 2 "$command: expected the path of databus.cfg; see databus.sh --help"
      [[ $command != stop || $# -eq 2 ]] || fail 2 "stop: too many arguments"
      prepare "$2"
      lock
      shift 2
      ;;
  esac
  case $command in
    start) start "$@" ;;
    stop) stop ;;
    restart)
      stop || code=$?
      ((code == 0 || code == 3)) || exit "$code"
      start "$@"
      ;;
    collapse)
      (($# >= 3)) || fail 2 "collapse: expected URL and DIR; see databus.sh --help"
      program=$(find_program) || exit 1
      exec "$program" "$@"
      ;;
    help | -h | --help) usage ;;
    "") usage >&2; exit 2 ;;
    *) fail 2 "unknown command '$command'; see databus.sh --help" ;;
  esac
}

main "$@"
