{{/* Namespace of mappers, slices and revisions: compiled into operator and mappers, and named in every policy. */}}
{{- define "pollux.mappers" -}}pollux-mappers{{- end }}

{{/* Labels on everything that is not a Pod. */}}
{{- define "pollux.labels" -}}
app.kubernetes.io/part-of: pollux
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- end }}

{{/* What tells operator Pods from others. Never changes: a Deployment's selector is immutable. */}}
{{- define "pollux.operatorSelector" -}}
app.kubernetes.io/name: pollux-operator
{{- end }}

{{/* An image from its parts: (dict "image" … "version" …). */}}
{{- define "pollux.image" -}}
{{- with .image.registry }}{{ . }}/{{ end }}{{ .image.repository }}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default $.version }}{{ end }}
{{- end }}

{{/* What one container of ours needs to pass level restricted. */}}
{{- define "pollux.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
{{- define "pollux.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Puts a policy in force: an admission policy without binding does nothing. */}}
{{- define "pollux.binding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels: {{- include "pollux.labels" .root | nindent 4 }}
spec: {policyName: {{ .name }}, validationActions: [Deny]}
{{- end }}
