#!/bin/bash
# Wrong: quotes the variables but still splits the output of ls into words.
sed -i -e 's/-d \$src/-d "$src"/' -e 's/mkdir -p \$dest/mkdir -p "$dest"/' -e 's/rm -f \$dest/rm -f "$dest"/' \
  -e 's/grep .rec/grep "\\.rec$"/' -e 's|cp \$src/\$f \$dest|cp "$src/$f" "$dest"|' \
  -e 's|echo \$(wc -c < \$src/\$f) \$f >> \$dest/INDEX|echo $(wc -c < "$src/$f") "$f" >> "$dest/INDEX"|' collect.sh
