{{- define "tidemill.name" -}}
{{- if contains "tidemill" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-tidemill" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "tidemill.labels" -}}
app.kubernetes.io/name: tidemill
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* what all Pods of this release have, and nothing else in the namespace */}}
{{- define "tidemill.release" -}}
app.kubernetes.io/name: tidemill
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* selector of one component: (list root component) */}}
{{- define "tidemill.selector" -}}
app.kubernetes.io/name: tidemill
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* an image: (list root target) */}}
{{- define "tidemill.image" -}}
{{- $root := index . 0 -}}
{{ $root.Values.image.repository }}/{{ index . 1 }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}
{{- end }}

{{/* the names of the registry's Secrets */}}
{{- define "tidemill.pullSecrets" -}}
{{- $names := list }}
{{- range .Values.imagePullSecrets }}{{ $names = append $names .name }}{{ end }}
{{- toJson $names }}
{{- end }}

{{- define "tidemill.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "tidemill.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "tidemill.tracking" -}}
{{- if .Values.mlflow.url }}{{ .Values.mlflow.url }}{{ else }}http://{{ include "tidemill.name" . }}-mlflow.{{ .Release.Namespace }}:5000{{ end }}
{{- end }}

{{- define "tidemill.storageEnv" -}}
{{- with .Values.clock }}
- {name: TIDEMILL_CLOCK, value: {{ . | quote }}}
{{- end }}
{{- range $name, $value := .Values.storage.env }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- with .Values.storage }}
{{- if .secret }}
{{- range .keys }}
- {name: {{ . }}, valueFrom: {secretKeyRef: {name: {{ $.Values.storage.secret }}, key: {{ . }}}}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tidemill.state" -}}
- name: TIDEMILL_STATE_URL
{{- with .Values.state.urlSecret }}
  {{- if .name }}
  valueFrom: {secretKeyRef: {name: {{ .name }}, key: {{ .key }}}}
  {{- else }}
  value: sqlite:////var/lib/tidemill/state.db
  {{- end }}
{{- end }}
{{- end }}

{{/* what controller and server mount alike */}}
{{- define "tidemill.mounts" -}}
- {name: profile, mountPath: /etc/tidemill, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- if not .Values.state.urlSecret.name }}
- {name: state, mountPath: /var/lib/tidemill}
{{- end }}
{{- end }}

{{/* the namespaces that are known to have loops, as a YAML list */}}
{{- define "tidemill.loopNamespaces" -}}
{{- $more := ternary .Values.loopNamespaces list (eq .Values.scope "cluster") -}}
{{- prepend $more .Release.Namespace | uniq | toYaml }}
{{- end }}

{{/* where the Pods of runs are: in a multi-user Kubeflow with their user; empty: in the loop's own namespace */}}
{{- define "tidemill.runsNamespace" -}}
{{- with .Values.pipelines }}{{ if .kubeflow.endpoint }}{{ .kubeflow.userNamespace | default .kubeflow.namespace }}{{ else }}{{ .argo.namespace }}{{ end }}{{ end }}
{{- end }}

{{/* a Pod's volume with a token of its service account for one audience, renewed by the kubelet: (list name audience) */}}
{{- define "tidemill.tokenVolume" -}}
- name: {{ index . 0 }}
  projected: {sources: [{serviceAccountToken: {path: token, audience: {{ index . 1 | quote }}, expirationSeconds: 3600}}]}
{{- end }}

{{/* whom the token for Kubeflow is made for; empty: it asks for none, or Argo runs turns */}}
{{- define "tidemill.kubeflowAudience" -}}
{{- with .Values.pipelines.kubeflow }}{{ if .endpoint }}{{ .tokenAudience }}{{ end }}{{ end }}
{{- end }}

{{/* whether the steps' service account is made here */}}
{{- define "tidemill.makesSteps" -}}
{{- with .Values.pipelines }}{{ and (not .kubeflow.endpoint) .argo.enabled .argo.createRole (not .steps.serviceAccount) }}{{ end }}
{{- end }}

{{- define "tidemill.stepsAccount" -}}
{{- if eq (include "tidemill.makesSteps" .) "true" }}{{ include "tidemill.name" . }}-steps{{ else }}{{ .Values.pipelines.steps.serviceAccount }}{{ end }}
{{- end }}

{{/* annotations of the hook that upgrades the CustomResourceDefinitions: its weight */}}
{{- define "tidemill.crdHook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{/* MiB of predictions that may wait: three quarters of the volume, for a Pod that writes more than that has is evicted */}}
{{- define "tidemill.spoolLimit" -}}
{{- $bytes := dict "" 1 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 }}
{{- $unit := regexFind "[A-Za-z]*$" (toString .Values.gateway.spool) }}
{{- $number := toString .Values.gateway.spool | trimSuffix $unit | float64 }}
{{- divf (mulf $number (get $bytes $unit) 0.75) 1048576 | floor | int64 }}
{{- end }}

{{- define "tidemill.scheduling" -}}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* whether a request changes a switch of a ModelRollout, as a variable of an admission policy */}}
{{- define "tidemill.switched" -}}
- name: {{ . }}Changed
  expression: >-
    object.spec.?{{ . }}.orValue(false) != (oldObject == null ? false : oldObject.spec.?{{ . }}.orValue(false))
{{- end }}

{{- define "tidemill.check" -}}
{{- if not .Values.storage.url }}
{{- fail "storage.url is not set: name a bucket that the loops' data, models and predictions lie in, such as --set storage.url=s3://bucket/tidemill" }}
{{- end }}
{{- if and (not .Values.pipelines.kubeflow.endpoint) (not .Values.pipelines.argo.enabled) }}
{{- fail "nothing runs turns: set pipelines.kubeflow.endpoint (a Kubeflow Pipelines server, such as http://ml-pipeline.kubeflow:8888) or pipelines.argo.enabled=true (Argo Workflows). Plain Jobs are not offered" }}
{{- end }}
{{- if and (gt (int .Values.controlPlane.replicas) 1) (not .Values.state.urlSecret.name) }}
{{- fail "controlPlane.replicas is more than 1, and the state is SQLite on a volume that one Pod may use: set state.urlSecret.name to a Secret with the URL of a PostgreSQL" }}
{{- end }}
{{- range $name, $value := .Values.storage.env }}
{{- if regexMatch "(?i)(secret|password|token|access_key)" $name }}
{{- fail (printf "storage.env.%s is a secret, and values are kept in plain text: put it into a Secret, and name that in storage.secret" $name) }}
{{- end }}
{{- end }}
{{- range list .Values.storage.url .Values.mlflow.url .Values.pipelines.kubeflow.endpoint }}
{{- if regexMatch "://[^/@]*:[^/@]*@" . }}
{{- fail "a URL among the values holds a password, and values are kept in plain text: put it into a Secret (storage.secret, state.urlSecret)" }}
{{- end }}
{{- end }}
{{- if and .Values.monitoring.serviceMonitor .Values.controlPlane.server.audience (not .Values.monitoring.tokenSecret.name) }}
{{- fail "controlPlane.server.audience is set, so Prometheus' own token is not for this server: set monitoring.tokenSecret.name to a Secret with one that is" }}
{{- end }}
{{- with .Values.gateway }}
{{- if and .autoscaling.enabled (gt (int .replicas) (int .autoscaling.maxReplicas)) }}
{{- fail (printf "gateway.replicas is %d, the least with autoscaling, and gateway.autoscaling.maxReplicas is %d: lower the one or raise the other" (int .replicas) (int .autoscaling.maxReplicas)) }}
{{- end }}
{{- end }}
{{- if lt (include "tidemill.spoolLimit" . | int64) 96 }}
{{- fail (printf "gateway.spool is %v: give it 128Mi at the least. Three quarters of it may wait, and the alert that predictions do (TidemillLogNotShipping) begins at 64 MiB" .Values.gateway.spool) }}
{{- end }}
{{- if and (not .Values.mlflow.url) (not .Values.mlflow.enabled) }}
{{- fail "no MLflow server: set mlflow.url, or leave mlflow.enabled=true" }}
{{- end }}
{{- end }}
