#!/bin/bash
cat session.txt

cat > desk.sh <<'EOF'
#!/bin/bash
# desk.sh N: hands out the lockers 1 to N, one command per line on stdin
set -f
n=$1
holder=()
# locker WORD: is it the number of a locker?
locker() { [[ $1 =~ ^[1-9][0-9]?$ ]] && [ "$1" -le "$n" ]; }
take() {
  local i free=
  for ((i = 1; i <= n; i++)); do
    if [ -z "${holder[i]}" ]; then
      if [ -z "$free" ]; then free=$i; fi
    elif [ "${holder[i]}" = "$1" ]; then
      printf 'HELD %d\n' "$i"
      return
    fi
  done
  if [ -z "$free" ]; then echo FULL; return; fi
  holder[free]=$1
  printf 'OK %d\n' "$free"
}
while IFS= read -r line || [ -n "$line" ]; do
  line=${line%$'\r'}
  IFS=$' \t' read -r -a word <<< "$line"
  [ ${#word[@]} -gt 0 ] || continue
  verb=${word[0]^^}
  case $verb in
    TAKE | FREE | WHO) want=2 ;;
    LIST | QUIT) want=1 ;;
    *) echo 'ERR unknown command'; continue ;;
  esac
  if [ ${#word[@]} -ne $want ]; then echo 'ERR usage'; continue; fi
  arg=${word[1]}
  case $verb in
    TAKE) take "$arg" ;;
    FREE | WHO)
      if ! locker "$arg"; then echo 'ERR no such locker'
      elif [ $verb = WHO ]; then printf '%s\n' "${holder[arg]:--}"
      elif [ -z "${holder[arg]}" ]; then echo 'ERR not taken'
      else holder[arg]=; echo OK
      fi ;;
    LIST)
      for ((i = 1; i <= n; i++)); do
        if [ -n "${holder[i]}" ]; then printf '%d %s\n' "$i" "${holder[i]}"; fi
      done
      echo . ;;
    QUIT) echo BYE; exit 0 ;;
  esac
done
exit 0
EOF

sed -n 's/^> //p' session.txt | bash desk.sh 3 > out.tmp
sed -n 's/^< //p' session.txt | diff - out.tmp
rm out.tmp

test "$(printf 'take *\r\n\nWho 1\nfree 01' | bash desk.sh 2)" = "$(printf 'OK 1\n*\nERR no such locker')"
