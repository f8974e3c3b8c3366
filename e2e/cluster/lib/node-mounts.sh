#!/usr/bin/env bash
# Runs in a node's new mount namespace: gives it a /var/lib, /var/log and /run/containerd of its own, as a machine
# has, so that hostPath volumes of two nodes are two folders; and stays, so that the namespace does. All mounts that
# containerd and kubelet make here vanish with the last process of the node.
# node-mounts.sh NODE_DIR FOLDER…    the folders stay visible where they are
set -euo pipefail
D=$1
shift
mkdir -p "$D"/{lib,log,run} /run/containerd
for keep in "$@"; do
  case $keep in /var/lib/*)
    mkdir -p "$D/lib/${keep#/var/lib/}"
    mount --bind "$keep" "$D/lib/${keep#/var/lib/}"
    ;;
  esac
done
mount --rbind "$D/lib" /var/lib
mount --bind "$D/log" /var/log
mount --bind "$D/run" /run/containerd
mount --make-rshared / # kubelet and containerd pass mounts on to pods that ask for it
touch "$D/mounted"
exec sleep infinity
