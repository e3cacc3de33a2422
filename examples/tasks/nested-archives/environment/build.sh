# delivery.tar: archives in archives, some with misleading names
set -e
umask 022
mkdir t
pack() { tar --format=ustar --owner=0 --group=0 --numeric-owner --mtime=@1930000000 --sort=name "$@"; }
# site-a: a gzipped archive with an older one inside
mkdir -p t/a/etc/net t/a/old t/o/etc t/a/doc
echo 'port = 7001' > t/a/etc/main.conf
echo 'address = 10.4.0.1' > t/a/etc/net/eth0.conf
echo 'gateway = 10.4.0.254' > 't/a/etc/net/default route.conf'
echo 'see main.conf' > t/a/doc/main.conf.txt
ln -s main.conf t/a/etc/alias.conf
echo 'port = 6001' > t/o/etc/main.conf
pack -C t/o -czf t/a/old/2029.tgz .
# site-b: called .tar.gz, but not compressed
mkdir -p t/b/etc t/b/spool
echo 'port = 7002' > t/b/etc/main.conf
printf 'no newline at end' > t/b/etc/.hidden.conf
head -c 3000 /dev/zero > t/b/spool/queue
# misc/site-c: two levels more, and a directory named like a config file
mkdir -p t/c/conf.d/x.conf t/d/deep t/e
echo 'mode = leaf' > t/e/leaf.conf
pack -C t/e -cf t/d/deep/e.tar leaf.conf
echo 'mode = middle' > t/d/middle.conf
pack -C t/d -czf t/c/conf.d/d.v2.tar.gz deep middle.conf
echo 'mode = outer' > t/c/conf.d/x.conf/10-outer.conf
mkdir -p t/all/misc
pack -C t/a -czf t/all/site-a.tar.gz etc old doc
pack -C t/b -cf t/all/site-b.tar.gz ./etc ./spool
pack -C t/c -czf t/all/misc/site-c.tgz conf.d
echo 'top = yes' > t/all/top.conf
echo 'not an archive' > t/all/misc/list.tar.txt
pack -C t/all -cf delivery.tar misc site-a.tar.gz site-b.tar.gz top.conf
rm -r t
