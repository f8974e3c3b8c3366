{{/*
One MapperClass. Fields at their default are left out, so that the operator does not own them: `writes`, above all, which a person who
stops all writing with kubectl must find unchanged after the operator's next start.
*/}}
{{- define "pollux.class" -}}
apiVersion: pollux.rs/v1alpha1
kind: MapperClass
metadata:
  name: {{ .name }}
  labels: {app.kubernetes.io/part-of: pollux}
spec:
  {{- $image := .class.image }}
  {{- if not (hasKey $image "registry") }}
  {{- $image = set (deepCopy $image) "registry" .root.Values.image.registry }}
  {{- end }}
  image: {{ include "pollux.image" (dict "image" $image "version" .root.Chart.AppVersion) | quote }}
  {{- with .class.image.pullPolicy }}
  imagePullPolicy: {{ . }}
  {{- end }}
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- range . }}
  - {{ .name | quote }}
    {{- end }}
  {{- end }}
  {{- range $field := list "args" "env" "resources" "hostDevices" "appArmorProfile" "tolerations" }}
  {{- with index $.class $field }}
  {{ $field }}: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- if .class.hostNetwork }}
  hostNetwork: true
  {{- end }}
  {{- if .class.hostBus }}
  hostBus: true
  {{- end }}
  {{- with .class.maxUnavailable }}
  maxUnavailable: {{ . | quote }}
  {{- end }}
  {{- if eq .class.writes "Disabled" }}
  writes: Disabled
  {{- end }}
{{- end }}
