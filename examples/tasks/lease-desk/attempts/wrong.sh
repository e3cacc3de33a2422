#!/bin/bash
# Wrong: follows the sample session only: no last line without newline, no CR, no usage errors, globs expand.
cat > desk.sh <<'EOF'
declare -A who
while read -r verb arg; do
  case ${verb^^} in
    TAKE) for ((i = 1; i <= $1; i++)); do [ "${who[$i]}" = "$arg" ] && echo "HELD $i" && continue 2; done
      for ((i = 1; i <= $1; i++)); do [ -z "${who[$i]}" ] && who[$i]=$arg && echo "OK $i" && continue 2; done
      echo FULL ;;
    FREE) if [ -n "${who[$arg]}" ]; then unset "who[$arg]"; echo OK; else echo ERR not taken; fi ;;
    WHO) echo ${who[$arg]:--} ;;
    LIST) for i in "${!who[@]}"; do echo "$i ${who[$i]}"; done | sort; echo . ;;
    QUIT) echo BYE; exit ;;
    *) echo ERR unknown command ;;
  esac
done
EOF
