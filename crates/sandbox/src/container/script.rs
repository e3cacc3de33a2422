//! The two small programs that run inside a container, for any POSIX shell and with nothing but its built-ins.

/// The variable that marks what a command started.
pub(super) const MARK: &str = "HARNESS_COMMAND";

/// Goes to `$1`, takes standard input from `$2` where that is not empty, tells which processes there are on the first
/// line of standard output, and becomes the command.
pub(super) const START: &str = r#"
cd -- "$1" || exit 126
if [ -n "$2" ]; then exec <"$2" || exit 126; fi
shift 2
echo /proc/[0-9]*
exec "$@"
"#;

/// Kills what carries the mark `$1`, and, where `$2` is not empty, whatever is not among the `/proc` entries that it
/// lists: what has wiped its environment. Says how many there were.
pub(super) const KILL: &str = r#"
found=0
for entry in /proc/[0-9]*; do
  pid=${entry#/proc/}
  [ "$pid" = 1 ] || [ "$pid" = "$$" ] && continue
  hit=
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in *"HARNESS_COMMAND=$1"*) hit=1; break ;; esac
  done 2>/dev/null <"$entry/environ"
  if [ -z "$hit" ] && [ -n "$2" ]; then
    case " $2 " in *" $entry "*) ;; *) hit=1 ;; esac
  fi
  [ -n "$hit" ] || continue
  # A zombie has no command line, and nothing is left to kill of it.
  IFS= read -r line 2>/dev/null <"$entry/cmdline" || [ -n "$line" ] || continue
  kill -9 "$pid" 2>/dev/null && found=$((found + 1))
done 2>/dev/null
echo "$found"
"#;

/// Makes [`KILL`] end everything but the container's first process and the one that it started, which has the lowest
/// number: both were there before any command.
pub(super) const SPARE_THE_FIRST: &str = r#"
first=
for entry in /proc/[0-9]*; do
  pid=${entry#/proc/}
  [ "$pid" = 1 ] && continue
  if [ -z "$first" ] || [ "$pid" -lt "$first" ]; then first=$pid; fi
done
set -- "" "/proc/1 /proc/$first"
"#;

/// Copies the file `$1` to `$2`; 3 where it is no regular file, 4 where it is not there.
pub(super) const COPY_OUT: &str = r#"
if [ -f "$1" ]; then exec cat <"$1" >"$2"; fi
[ -e "$1" ] && exit 3
exit 4
"#;

/// Moves the file `$2` to `$1`, whose missing parents it makes; 3 where that is a directory or leads through a file.
pub(super) const MOVE_IN: &str = r#"
[ -d "$1" ] && exit 3
mkdir -p -- "${1%/*}/" && mv -f -- "$2" "$1" || exit 3
"#;
