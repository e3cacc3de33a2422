#!/bin/bash
cat -A service.ini

cp service.ini service.ini.orig
awk '/^\[/ { section = $0 }
     section == "[storage]" && /^timeout *=/ { sub(/=.*/, "= 120") }
     section == "[frontend]" && /^workers *=/ { sub(/=.*/, "= 16") }
     section == "[frontend]" && /^timeout *=/ { sub(/= *[0-9]+/, "= 75") }
     { print }
     END { print "retries = 5" }' service.ini.orig > service.ini

diff service.ini.orig service.ini
rm service.ini.orig
test "$(grep -c '= 120$' service.ini)" -eq 1 && tail -n 1 service.ini | grep -qx 'retries = 5'
