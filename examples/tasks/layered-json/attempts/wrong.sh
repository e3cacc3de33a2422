#!/bin/bash
# Wrong: takes the layers in text order (10 before 5) and keeps null values that arrive inside new objects.
python3 - <<'EOF'
import glob, json, os
origin = {}
def merge(t, l, path, name):
    for k, v in l.items():
        if k.endswith("+"): t[k[:-1]] = t.get(k[:-1], []) + v; origin[path + k[:-1]] = name
        elif v is None: t.pop(k, None); origin.pop(path + k, None)
        elif isinstance(v, dict) and isinstance(t.get(k), dict): merge(t[k], v, path + k + "/", name)
        else: t[k] = v; origin[path + k] = name
result = {}
for f in sorted(glob.glob("layers/*.json")):
    merge(result, json.load(open(f, encoding="utf-8")), "", os.path.basename(f))
json.dump(result, open("effective.json", "w"))
open("origins.tsv", "w").write("".join(f"{p}\t{n}\n" for p, n in sorted(origin.items())))
EOF
