# what a careless copy left behind
find share -type d -exec chmod 777 {} +
find share -type f -exec chmod 666 {} +
chmod 600 share/tools/*.txt share/tools/lib/* share/README
chmod 644 share/tools/sync share/tools/purge.sh share/keys/*
