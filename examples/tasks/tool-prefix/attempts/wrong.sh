#!/bin/bash
# Wrong: takes the retired version, which runs without any set-up.
PATH=$PWD/opt/stamper-1.4/bin:$PATH
stamper batch < crates.txt > labels.txt
