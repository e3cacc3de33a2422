#!/bin/bash
ls layers
head -c 300 layers/0-base.json

# setup: the layers in numeric order
export LAYERS=$(cd layers && printf '%s\n' *.json | sort -n | tr '\n' ' ')

echo "$LAYERS"
python3 - <<'EOF'
import json, os
def merge(target, origin, layer, name):
    for key, value in layer.items():
        if value is None:
            target.pop(key, None); origin.pop(key, None)
        elif key.endswith("+"):
            key = key[:-1]
            target[key] = target.get(key, []) + value
            origin[key] = name
        elif isinstance(value, dict):
            if not isinstance(target.get(key), dict):
                target[key], origin[key] = {}, {}
            merge(target[key], origin[key], value, name)
        else:
            target[key], origin[key] = value, name
def leaves(origin, path):
    for key, value in origin.items():
        if isinstance(value, dict):
            yield from leaves(value, path + [key])
        else:
            yield "/".join(path + [key]), value
result, origin = {}, {}
for name in os.environ["LAYERS"].split():
    with open("layers/" + name, encoding="utf-8") as f:
        merge(result, origin, json.load(f), name)
with open("effective.json", "w", encoding="utf-8") as f:
    json.dump(result, f, indent=2, ensure_ascii=False)
with open("origins.tsv", "w", encoding="utf-8") as f:
    for path, name in sorted(leaves(origin, [])):
        f.write(path + "\t" + name + "\n")
EOF

cat effective.json origins.tsv
python3 -m json.tool effective.json > /dev/null && LC_ALL=C sort -c origins.tsv
