#!/bin/bash
# Wrong: globs instead of a walk, so hidden and nested files are missed; judges scripts by the .sh suffix.
chmod 755 share share/* share/*/*/
chmod 644 share/README share/out/* share/tools/*.txt
chmod 755 share/tools/*.sh
chmod 440 share/in/*.txt
chmod 700 share/keys
chmod 600 share/keys/*.key
chmod 644 share/keys/*.pub
