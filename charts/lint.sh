#!/usr/bin/env bash
# Lints and renders the chart with its own values and with everything on, and shows that bad values are refused by name.
# Needs helm, by $HELM or on PATH. No cluster.
set -uo pipefail
cd "$(dirname "$0")" || exit 1
read -ra HELM <<<"${HELM:-helm}"
passed=0 failed=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

result() { # NAME EXIT-CODE
  if [ "$2" -eq 0 ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAIL $1"
    sed 's/^/     /' "$out"
  fi
}
accepts() { # NAME COMMAND…
  local name=$1
  shift
  "$@" >"$out" 2>&1
  result "$name" $?
}
refuses() { # NAME WORD-IN-THE-MESSAGE HELM-ARGUMENTS…
  local name=$1 word=$2
  shift 2
  if template "$@" >"$out" 2>&1; then
    echo "accepted" >"$out"
    result "$name" 1
  else
    grep -qF -- "$word" "$out"
    result "$name, saying \"$word\"" $?
  fi
}
template() { "${HELM[@]}" template pollux pollux --namespace pollux-system "$@"; }
renders() { # COUNT KIND HELM-ARGUMENTS…: exactly so many of a kind
  local count=$1 kind=$2
  shift 2
  template "$@" >"$out" 2>&1
  [ "$(grep -c "^kind: $kind\$" "$out")" -eq "$count" ]
  result "$count × $kind with: ${*:-default values}" $?
}

says() { # COUNT LINE HELM-ARGUMENTS…: a line that stands so often in what is rendered
  local count=$1 line=$2
  shift 2
  template "$@" >"$out" 2>&1
  [ "$(grep -cF -- "$line" "$out")" -eq "$count" ]
  result "$count × \"$line\" with: ${*:-default values}" $?
}

all=(--values pollux/ci/all.yaml --api-versions admissionregistration.k8s.io/v1/MutatingAdmissionPolicy)
accepts "helm lint, default values" "${HELM[@]}" lint pollux --strict --namespace pollux-system
accepts "helm lint, everything on" "${HELM[@]}" lint pollux --strict --namespace pollux-system --values pollux/ci/all.yaml
accepts "helm lint, subchart alone" "${HELM[@]}" lint pollux/charts/pollux-crds --strict
accepts "helm template, default values" template
accepts "helm template, everything on" template "${all[@]}"
renders 6 CustomResourceDefinition
renders 0 CustomResourceDefinition --set crds.enabled=false
renders 8 ValidatingAdmissionPolicy
renders 8 ValidatingAdmissionPolicyBinding
renders 9 ValidatingAdmissionPolicy "${all[@]}"
renders 9 ValidatingAdmissionPolicyBinding "${all[@]}"
renders 1 MutatingAdmissionPolicy "${all[@]}"
renders 0 ServiceMonitor
renders 0 PodMonitor
renders 1 ServiceMonitor "${all[@]}"
renders 1 PodMonitor "${all[@]}"
# That they are rendered: the test cluster's network plugin enforces none.
renders 2 NetworkPolicy
renders 0 NetworkPolicy --set networkPolicy.enabled=false
renders 1 PodDisruptionBudget
renders 0 PodDisruptionBudget --set replicas=1
says 1 "  maxUnavailable: 1" --show-only templates/pdb.yaml
says 1 "  maxUnavailable: 2" --show-only templates/pdb.yaml --set replicas=3
# Who may read Secrets, and where: nobody anywhere, unless it is said.
secrets=(--show-only templates/rbac-secrets.yaml)
renders 0 RoleBinding "${secrets[@]}"
renders 2 RoleBinding "${secrets[@]}" --set 'secretNamespaces={plant-north,plant-south}'
renders 0 ClusterRoleBinding "${secrets[@]}" --set 'secretNamespaces={plant-north,plant-south}'
renders 1 ClusterRoleBinding "${secrets[@]}" --set 'secretNamespaces={*}'
refuses "a namespace that is none" "/secretNamespaces/0" --set 'secretNamespaces={a.b}'
says 7 "helm.sh/resource-policy: keep"
says 1 "helm.sh/resource-policy: keep" --set crds.keep=false
refuses "unknown value" "additional properties 'replica' not allowed" --set replica=3
refuses "no replicas" "minimum: got 0, want 1" --set replicas=0
refuses "unknown class" "additional properties 'bacnet' not allowed" --set classes.bacnet.enabled=true
refuses "unknown type of a profile" "/classes/ble/appArmorProfile/type" --set classes.ble.appArmorProfile.type=unconfined
# As the CRD has it: a profile of the node goes with Localhost, and Localhost needs one.
profile=classes.ble.appArmorProfile
refuses "Localhost without a profile" "/classes/ble/appArmorProfile" --set $profile.type=Localhost
refuses "a profile without a type" "/classes/ble/appArmorProfile" --set $profile.localhostProfile=pollux-ble
refuses "a profile beside Unconfined" "/classes/ble/appArmorProfile" --set $profile.type=Unconfined,$profile.localhostProfile=pollux-ble
# The system bus is for the class that needs it.
classes=(--show-only templates/classes.yaml)
says 1 "hostBus: true" "${classes[@]}"
says 0 "hostBus: true" "${classes[@]}" --set classes.ble.hostBus=false
says 0 "appArmorProfile" "${classes[@]}"
says 1 "localhostProfile: pollux-ble" "${classes[@]}" --set $profile.type=Localhost,$profile.localhostProfile=pollux-ble
says 1 "type: Unconfined" "${classes[@]}" --set classes.ble.appArmorProfile.type=Unconfined
refuses "tag with a space" "/image/tag" --set 'image.tag=a b'
refuses "unknown word for writes" "/classes/modbus/writes" --set classes.modbus.writes=off
refuses "someone else's namespace" "needs a namespace of its own" --namespace kube-system
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
