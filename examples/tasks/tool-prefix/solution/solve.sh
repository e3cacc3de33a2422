#!/bin/bash
find opt -type f
cat opt/README
head -n 3 crates.txt

# setup: stamper 2.1 on PATH, with its prefix
export STAMPER_HOME=$PWD/opt/stamper-2.1
export PATH=$STAMPER_HOME/bin:$STAMPER_HOME/libexec:$PATH

stamper --version
stamper batch < crates.txt > labels.txt

cat labels.txt
test "$(stamper --version)" = "stamper 2.1" && test "$(wc -l < labels.txt)" -eq "$(wc -l < crates.txt)"
