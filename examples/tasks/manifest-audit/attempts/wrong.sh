#!/bin/bash
# Wrong: only looks at the manifest, so files that nobody recorded go unnoticed.
cd store
LC_ALL=C sha256sum -c ../MANIFEST 2> /dev/null |
  sed -E 's/^(.*): OK$/OK \1/; s/^(.*): FAILED open or read$/MISSING \1/; s/^(.*): FAILED$/CHANGED \1/' |
  LC_ALL=C sort -k 2 > ../audit.txt
