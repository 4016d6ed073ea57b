{{- define "mw.name" -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{- end }}
{{- define "mw.labels" -}}
app.kubernetes.io/name: maskwatch
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- /* One container's rights: none. */ -}}
{{- define "mw.rights" -}}
{allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
{{- end }}
{{- /* Pod of a role: dict root, role (its command and Redis user), args, ports, data (claim or empty), gpu. */ -}}
{{- define "mw.pod" -}}
{{- $root := .root }}{{- $name := include "mw.name" $root }}{{- $values := .values }}
automountServiceAccountToken: false
securityContext: {runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001, seccompProfile: {type: RuntimeDefault}}
terminationGracePeriodSeconds: 15
{{- with $values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
containers:
  - name: {{ .role }}
    image: {{ printf "%s:%s" $root.Values.image.repository $root.Values.image.tag | quote }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args: {{ toJson .args }}
    env:
      - {name: MASKWATCH_BUS_USER, value: {{ .role }}}
      {{- if .sharded }}
      - name: SHARD
        valueFrom: {fieldRef: {fieldPath: "metadata.labels['apps.kubernetes.io/pod-index']"}}
      {{- end }}
    {{- with .port }}
    ports: [{name: http, containerPort: {{ . }}}]
    {{- end }}
    livenessProbe: &alive
      exec: {command: [maskwatch, health]}
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 3
    readinessProbe: *alive
    startupProbe: {exec: {command: [maskwatch, health]}, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 36}
    {{- $resources := deepCopy $values.resources }}
    {{- if $values.gpu }}{{- $_ := set $resources "limits" (merge (dict "nvidia.com/gpu" 1) $resources.limits) }}{{- end }}
    resources: {{ toJson $resources }}
    securityContext: {{ include "mw.rights" $root }}
    volumeMounts:
      - {name: settings, mountPath: /etc/maskwatch, readOnly: true}
      - {name: secrets, mountPath: /run/secrets, readOnly: true}
      - {name: alerts, mountPath: /run/alerts, readOnly: true}
      {{- if eq .role "ingest" }}
      - {name: cameras, mountPath: /run/cameras, readOnly: true}
      {{- end }}
      - {name: data, mountPath: /var/lib/maskwatch}
      - {name: tmp, mountPath: /tmp}
volumes:
  - {name: settings, configMap: {name: {{ $name }}-settings}}
  - name: secrets
    projected:
      sources:
        - secret:
            name: {{ $root.Values.redis.existingSecret | default (printf "%s-bus" $name) }}
            items:
              - {key: {{ .role }}-url, path: bus_url}
              - {key: {{ .role }}-frames-url, path: frames_url}
        - secret: {name: {{ $name }}-page}
        {{- if and (has .role (list "aggregate" "notify" "dashboard")) (include "mw.store" $root) }}
        - secret: {name: {{ include "mw.store" $root }}, items: [{key: url, path: store_url}]}
        {{- end }}
  - {name: alerts, secret: {secretName: {{ $root.Values.alertsSecret | default (printf "%s-none" $name) }}, optional: true}}
  {{- if eq .role "ingest" }}
  - {name: cameras, secret: {secretName: {{ $root.Values.camerasSecret | default (printf "%s-none" $name) }}, optional: true}}
  {{- end }}
  - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
  {{- if not .claimed }}
  - {name: data, emptyDir: {sizeLimit: 64Mi}}
  {{- end }}
{{- end }}
{{- /* The Secret with the store's address; empty for SQLite. */ -}}
{{- define "mw.store" -}}
{{- if .Values.postgresql.existingSecret }}{{ .Values.postgresql.existingSecret }}{{ else if .Values.postgresql.bundled }}{{ include "mw.name" . }}-store{{ end }}
{{- end }}
