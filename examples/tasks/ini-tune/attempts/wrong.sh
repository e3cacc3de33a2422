#!/bin/bash
# Wrong: replaces the keys in every section and drops the trailing comment.
sed -i -e 's/^timeout = 30.*/timeout = 120/' -e 's/^workers.*/workers = 16/' service.ini
sed -i '/^\[frontend\]/,/^\[/s/^timeout.*/timeout = 75/' service.ini
echo 'retries = 5' >> service.ini
