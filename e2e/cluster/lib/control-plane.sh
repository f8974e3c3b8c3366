# Sourced: etcd, API server, controller-manager, scheduler and DNS of an instance.
# shellcheck shell=bash

make_certificates() {
  local version c
  version=$("$BIN/kubectl" version --client -o json | sed -n 's/.*"gitVersion": "\(.*\)".*/\1/p')
  cat >"$S/kubeadm.yaml" <<X
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: $NET.1, bindPort: 6443}
nodeRegistration: {name: control-plane, criSocket: "unix:///none"}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: $version
certificatesDir: $S/pki
apiServer: {certSANs: [127.0.0.1, localhost]}
networking: {serviceSubnet: 10.96.0.0/16, podSubnet: $PODS.0.0/16}
X
  kubeadm_phase certs all --config "$S/kubeadm.yaml"
  for c in super-admin controller-manager scheduler; do
    kubeadm_phase kubeconfig "$c" --config "$S/kubeadm.yaml" --kubeconfig-dir "$S"
  done
  mv "$S/super-admin.conf" "$S/admin.conf"
}

kubeadm_phase() {
  $(in_net api) "$BIN/kubeadm" init phase "$@" >>"$S/log/kubeadm.log" 2>&1 ||
    { tail -5 "$S/log/kubeadm.log" >&2; die "kubeadm init phase $1 $2 failed"; }
}

start_api() {
  local p=$S/pki
  # shellcheck disable=SC2046 # in_net is words
  spawn etcd $(in_net api) "$BIN/etcd" --data-dir "$S/etcd" --unsafe-no-fsync \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380
  # shellcheck disable=SC2046
  spawn apiserver $(in_net api) "$BIN/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --advertise-address="$NET.1" --secure-port=6443 \
    --service-cluster-ip-range=10.96.0.0/16 --allow-privileged=true --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
    --client-ca-file="$p/ca.crt" --tls-cert-file="$p/apiserver.crt" --tls-private-key-file="$p/apiserver.key" \
    --kubelet-client-certificate="$p/apiserver-kubelet-client.crt" --kubelet-client-key="$p/apiserver-kubelet-client.key" \
    --kubelet-preferred-address-types=InternalIP --service-account-issuer=https://kubernetes.default.svc.cluster.local \
    --service-account-key-file="$p/sa.pub" --service-account-signing-key-file="$p/sa.key" \
    --requestheader-client-ca-file="$p/front-proxy-ca.crt" --requestheader-allowed-names=front-proxy-client \
    --proxy-client-cert-file="$p/front-proxy-client.crt" --proxy-client-key-file="$p/front-proxy-client.key" \
    --requestheader-extra-headers-prefix=X-Remote-Extra- --requestheader-group-headers=X-Remote-Group --requestheader-username-headers=X-Remote-User
  start_forward apiserver api "$NET.1:6443"
  sed "s|server: .*|server: https://127.0.0.1:$(cat "$S/forward/apiserver")|" "$S/admin.conf" >"$S/kubeconfig"
}

# start_forward ID WHO IP:PORT: the port on the host's loopback stands in $S/forward/ID.
start_forward() {
  rm -f "$S/forward/$1"
  spawn "forward-$1" "$BIN/forward" --netns "$PX-$2" --to "$3" --port-file "$S/forward/$1"
  wait_for 10 "forward to $3" test -s "$S/forward/$1"
}

# Only once the API server is ready: before the default RBAC exists these two exit.
start_controllers() {
  local k
  wait_for 60 "API server ready" kc get --raw /readyz
  say "API server ready"
  # lets the API server ask kubelets for logs, exec and port-forward
  kc create clusterrolebinding kubelet-api-admin --clusterrole=system:kubelet-api-admin --user=kube-apiserver-kubelet-client >/dev/null
  k=$S/controller-manager.conf
  # shellcheck disable=SC2046
  spawn controllers $(in_net api) "$BIN/kube-controller-manager" --kubeconfig="$k" --authentication-kubeconfig="$k" --authorization-kubeconfig="$k" \
    --service-account-private-key-file="$S/pki/sa.key" --root-ca-file="$S/pki/ca.crt" --cluster-signing-cert-file="$S/pki/ca.crt" \
    --cluster-signing-key-file="$S/pki/ca.key" --use-service-account-credentials=true --leader-elect=false --node-monitor-grace-period=20s \
    --kube-api-qps=500 --kube-api-burst=1000 # by default it spends its first 4 s waiting for its own limit
  k=$S/scheduler.conf
  # shellcheck disable=SC2046
  spawn scheduler $(in_net api) "$BIN/kube-scheduler" --kubeconfig="$k" --authentication-kubeconfig="$k" --authorization-kubeconfig="$k" --leader-elect=false
}

# CoreDNS answers for the cluster's own zones; it refuses all other names at once, there is no way out anyway.
start_dns() {
  cat >"$S/Corefile" <<X
cluster.local in-addr.arpa ip6.arpa {
  errors
  ready
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    kubeconfig $S/admin.conf
    ttl 2
  }
}
X
  # shellcheck disable=SC2046
  spawn dns $(in_net dns) "$BIN/coredns" -conf "$S/Corefile"
  kc apply -f - >/dev/null <<X
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec:
  clusterIP: $DNS_IP
  ports:
  - {name: dns, port: 53, protocol: UDP}
  - {name: dns-tcp, port: 53, protocol: TCP}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
endpoints: [{addresses: [$NET.2], conditions: {ready: true}}]
ports:
- {name: dns, port: 53, protocol: UDP}
- {name: dns-tcp, port: 53, protocol: TCP}
X
}

dns_ready() { $(in_net dns) bash -c 'exec 3<>/dev/tcp/127.0.0.1/8181 && printf "GET /ready HTTP/1.0\r\n\r\n" >&3 && grep -q "200 OK" <&3'; }
