package check

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// Each case is an edit of an object in testdata/mutations.yaml, and what is said about it: nothing, if it is
// accepted. The first 185 were sent to a kube-apiserver v1.35.4 with all the definitions installed, with defaults and
// strict validation, and were accepted or refused by it as they are here, but for the one that is marked.
func TestMutations(t *testing.T) {
	text, err := os.ReadFile("testdata/mutations.yaml")
	if err != nil {
		t.Fatal(err)
	}
	good := map[string]string{} // by kind
	for _, doc := range strings.Split(string(text), "\n---\n") {
		o := parse(t, doc)
		good[o.Kind] = doc
		for _, d := range run(t, o) {
			t.Errorf("a good object: %s", d.Summary)
		}
	}
	for _, test := range []struct{ kind, edits, want string }{
		{"Deployment", `spec.template.spec.containers[0].envFrom[0].secretRef.name = ''`, `spec.template.spec.containers[0].envFrom[0].secretRef.name is missing`},
		{"Deployment", `spec.template.spec.containers[0].env[2] = {name: X, valueFrom: {secretKeyRef: {key: a}}}`, `spec.template.spec.containers[0].env[2].valueFrom.secretKeyRef.name is missing`},
		{"Deployment", `spec.template.spec.containers[0].env[2] = {name: X, valueFrom: {secretKeyRef: {name: a, key: a b}}}`, `spec.template.spec.containers[0].env[2].valueFrom.secretKeyRef.key is "a b": a valid config key`},
		{"Deployment", `spec.template.spec.containers[0].env[2] = {name: X, valueFrom: {fieldRef: {fieldPath: metadata.nme}}}`, `spec.template.spec.containers[0].env[2].valueFrom.fieldRef.fieldPath is "metadata.nme", and must be one of`},
		{"Deployment", `spec.template.spec.containers[0].env[2] = {name: X, valueFrom: {resourceFieldRef: {resource: limits.gpu}}}`, `spec.template.spec.containers[0].env[2].valueFrom.resourceFieldRef.resource is "limits.gpu", and must be one of`},
		{"Deployment", `spec.template.spec.volumes[0].configMap = {name: x}`, `spec.template.spec.volumes[0] has 2 sources, and needs one`},
		{"Deployment", `spec.template.spec.volumes[0].emptyDir = null; spec.template.spec.volumes[0].configMap = {}`, `spec.template.spec.volumes[0].configMap.name is missing`},
		{"Deployment", `spec.template.spec.volumes[0].emptyDir = null; spec.template.spec.volumes[0].secret = {}`, `spec.template.spec.volumes[0].secret.secretName is missing`},
		{"Deployment", `spec.template.spec.volumes[0].emptyDir = null; spec.template.spec.volumes[0].persistentVolumeClaim = {claimName: ''}`, `spec.template.spec.volumes[0].persistentVolumeClaim.claimName is missing`},
		{"Deployment", `spec.template.spec.volumes[0].emptyDir.sizeLimit = -1Gi`, `spec.template.spec.volumes[0].emptyDir.sizeLimit is "-1Gi": must not be negative`},
		{"Deployment", `spec.template.spec.volumes[0].emptyDir = null; spec.template.spec.volumes[0].hostPath = {path: /a, type: Dir}`, `spec.template.spec.volumes[0].hostPath.type is "Dir", and must be one of`},
		{"Deployment", `spec.template.spec.volumes[0].emptyDir = null; spec.template.spec.volumes[0].hostPath = {path: /a/../b}`, `spec.template.spec.volumes[0].hostPath.path is "/a/../b": must not go up with ..`},
		{"Deployment", `spec.template.spec.volumes[0].emptyDir = null; spec.template.spec.volumes[0].configMap = {name: a, defaultMode: 1000}`, `spec.template.spec.volumes[0].configMap.defaultMode is "1000": must be between 0 and 0777, which is 511`},
		{"Deployment", `spec.template.spec.volumes[0].emptyDir = null; spec.template.spec.volumes[0].configMap = {name: a, items: [{key: k, path: ../x}]}`, `spec.template.spec.volumes[0].configMap.items[0].path is "../x": must not go up with ..`},
		{"Deployment", `spec.template.spec.containers[0].volumeMounts[0].mountPath = ''`, `spec.template.spec.containers[0].volumeMounts[0].mountPath is missing`},
		{"Deployment", `spec.template.spec.containers[0].volumeMounts[0].subPath = ../etc`, `spec.template.spec.containers[0].volumeMounts[0].subPath is "../etc": must not go up with ..`},
		{"Deployment", `spec.template.spec.containers[0].volumeMounts[0].subPath = /etc`, `spec.template.spec.containers[0].volumeMounts[0].subPath is "/etc": must be a relative path`},
		{"Deployment", `spec.template.spec.containers[0].volumeMounts[0].mountPropagation = Both`, `spec.template.spec.containers[0].volumeMounts[0].mountPropagation is "Both", and must be one of`},
		{"Deployment", `spec.template.spec.containers[0].livenessProbe.timeoutSeconds = -1`, `spec.template.spec.containers[0].livenessProbe.timeoutSeconds is "-1": must be greater than or equal to 0`},
		{"Deployment", `spec.template.spec.containers[0].livenessProbe.httpGet.port = 0`, `spec.template.spec.containers[0].livenessProbe.httpGet.port is "0": must be between 1 and 65535, inclusive`},
		{"Deployment", `spec.template.spec.containers[0].livenessProbe.httpGet.httpHeaders = [{name: a b, value: x}]`, `spec.template.spec.containers[0].livenessProbe.httpGet.httpHeaders[0].name is "a b": a valid HTTP header`},
		{"Deployment", `spec.template.spec.containers[0].livenessProbe = {exec: {command: []}}`, `spec.template.spec.containers[0].livenessProbe.exec.command is missing`},
		{"Deployment", `spec.template.spec.containers[0].readinessProbe.terminationGracePeriodSeconds = 5`, `spec.template.spec.containers[0].readinessProbe.terminationGracePeriodSeconds does not go with a readiness probe`},
		{"Deployment", `spec.template.spec.containers[0].livenessProbe.terminationGracePeriodSeconds = 0`, `spec.template.spec.containers[0].livenessProbe.terminationGracePeriodSeconds is "0": must be 1 or more`},
		{"Deployment", `spec.template.spec.containers[0].ports[0].name = http-metrics-port-x`, `spec.template.spec.containers[0].ports[0].name is "http-metrics-port-x":`},
		{"Deployment", `spec.template.spec.containers[0].ports[0].hostPort = 70000`, `spec.template.spec.containers[0].ports[0].hostPort is "70000": must be between 1 and 65535, inclusive`},
		{"Deployment", `spec.template.spec.containers[0].ports[0].hostPort = 8001; spec.template.spec.hostNetwork = true`, `spec.template.spec.containers[0].ports[0].hostPort is "8001": must be the containerPort in a pod with hostNetwork`},
		{"Deployment", `spec.template.spec.containers[0].lifecycle = {preStop: {exec: {command: [a]}, sleep: {seconds: 1}}}`, `spec.template.spec.containers[0].lifecycle.preStop has 2 handlers, and needs one of exec, httpGet, tcpSocket and sleep`},
		{"Deployment", `spec.template.spec.containers[0].lifecycle = {preStop: {sleep: {seconds: 100}}}`, `spec.template.spec.containers[0].lifecycle.preStop.sleep.seconds is "100": must be between 0 and terminationGracePeriodSeconds, which is 30`},
		{"Deployment", `spec.template.spec.containers[0].restartPolicy = Sometimes`, `spec.template.spec.containers[0].restartPolicy is "Sometimes", and must be one of`},
		{"Deployment", `spec.template.spec.initContainers = [{name: init, image: a, readinessProbe: {tcpSocket: {port: 1}}, livenessProbe: {tcpSocket: {port: 1}}}]`, `spec.template.spec.initContainers[0].livenessProbe does not go with an init container, unless its restartPolicy is Always`},
		{"Deployment", `spec.template.spec.initContainers = [{name: i, image: a, restartPolicy: Weird}]`, `spec.template.spec.initContainers[0].restartPolicy is "Weird", and must be one of`},
		{"Deployment", `spec.template.spec.topologySpreadConstraints[0].topologyKey = ''`, `spec.template.spec.topologySpreadConstraints[0].topologyKey is missing`},
		{"Deployment", `spec.template.spec.topologySpreadConstraints[0].matchLabelKeys[0] = zave.io/workload`, ``},
		{"Deployment", `spec.template.spec.topologySpreadConstraints[0].labelSelector = null`, `spec.template.spec.topologySpreadConstraints[0].matchLabelKeys does not go without labelSelector`},
		{"Deployment", `spec.template.spec.topologySpreadConstraints[0].minDomains = 2`, `spec.template.spec.topologySpreadConstraints[0].minDomains goes with whenUnsatisfiable DoNotSchedule alone`},
		{"Deployment", `spec.template.spec.topologySpreadConstraints[0].nodeTaintsPolicy = Nope`, `spec.template.spec.topologySpreadConstraints[0].nodeTaintsPolicy is "Nope", and must be one of`},
		{"Deployment", `spec.template.spec.securityContext.fsGroup = -1`, `spec.template.spec.securityContext.fsGroup is "-1": must be between 0 and 2147483647, inclusive`},
		{"Deployment", `spec.template.spec.securityContext.runAsGroup = -1`, `spec.template.spec.securityContext.runAsGroup is "-1": must be between 0 and 2147483647, inclusive`},
		{"Deployment", `spec.template.spec.securityContext.runAsUser = -5`, `spec.template.spec.securityContext.runAsUser is "-5": must be between 0 and 2147483647, inclusive`},
		{"Deployment", `spec.template.spec.securityContext.supplementalGroups = [-1]`, `spec.template.spec.securityContext.supplementalGroups[0] is "-1": must be between 0 and 2147483647, inclusive`},
		{"Deployment", `spec.template.spec.securityContext.seccompProfile.type = Runtime`, `spec.template.spec.securityContext.seccompProfile.type is "Runtime", and must be one of`},
		{"Deployment", `spec.template.spec.securityContext.seccompProfile.type = Localhost`, `spec.template.spec.securityContext.seccompProfile.localhostProfile is missing: goes with the type Localhost`},
		{"Deployment", `spec.template.spec.securityContext.fsGroupChangePolicy = Sometimes`, `spec.template.spec.securityContext.fsGroupChangePolicy is "Sometimes", and must be one of`},
		{"Deployment", `spec.template.spec.securityContext.sysctls = [{name: BAD NAME, value: '1'}]`, `spec.template.spec.securityContext.sysctls[0].name is "BAD NAME": must match ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z`},
		{"Deployment", `spec.template.spec.containers[0].securityContext.procMount = Foo`, `spec.template.spec.containers[0].securityContext.procMount is "Foo", and must be one of`},
		{"Deployment", `spec.template.spec.containers[0].securityContext.capabilities.add = [SYS_ADMIN]`, ``},
		{"Deployment", `spec.template.spec.tolerations = [{key: a, operator: Equals}]`, `spec.template.spec.tolerations[0].operator is "Equals", and must be one of`},
		{"Deployment", `spec.template.spec.tolerations = [{key: a, operator: Exists, value: x}]`, `spec.template.spec.tolerations[0].value does not go with the operator Exists`},
		{"Deployment", `spec.template.spec.affinity = {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: '', labelSelector: {}}}]}}`, `spec.template.spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.topologyKey is missing`},
		{"Deployment", `spec.template.spec.affinity = {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1000, podAffinityTerm: {topologyKey: a, labelSelector: {}}}]}}`, `spec.template.spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight is "1000": must be between 1 and 100`},
		{"Deployment", `spec.template.spec.affinity = {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Inn, values: [b]}]}]}}}`, `spec.template.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].operator is`},
		{"Deployment", `spec.template.spec.dnsPolicy = Cluster`, `spec.template.spec.dnsPolicy is "Cluster", and must be one of`},
		{"Deployment", `spec.template.spec.dnsPolicy = None`, `spec.template.spec.dnsConfig.nameservers is missing: goes with the policy None`},
		{"Deployment", `spec.template.spec.hostAliases = [{ip: 1.2.3, hostnames: [a]}]`, `spec.template.spec.hostAliases[0].ip is "1.2.3": is not an IP address`},
		{"Deployment", `spec.template.spec.hostname = A_B`, `spec.template.spec.hostname is "A_B": a lowercase RFC 1123 label`},
		{"Deployment", `spec.template.spec.subdomain = A_B`, `spec.template.spec.subdomain is "A_B": a lowercase RFC 1123 label`},
		{"Deployment", `spec.template.spec.priorityClassName = A B`, `spec.template.spec.priorityClassName is "A B": a lowercase RFC 1123 subdomain`},
		{"Deployment", `spec.template.spec.preemptionPolicy = Maybe`, `spec.template.spec.preemptionPolicy is "Maybe", and must be one of`},
		{"Deployment", `spec.template.spec.runtimeClassName = A B`, `spec.template.spec.runtimeClassName is "A B": a lowercase RFC 1123 subdomain`},
		{"Deployment", `spec.template.spec.schedulingGates = [{name: a b}]`, `spec.template.spec.schedulingGates[0].name is "a b": name part`},
		{"Deployment", `spec.template.spec.activeDeadlineSeconds = 30`, `spec.template.spec.activeDeadlineSeconds does not go with pods that are kept running`},
		{"Deployment", `spec.template.spec.ephemeralContainers = [{name: e, image: a}]`, `spec.template.spec.ephemeralContainers does not go with a template`},
		{"Deployment", `spec.template.spec.nodeName = A_B`, `spec.template.spec.nodeName is "A_B": a lowercase RFC 1123 subdomain`},
		{"Deployment", `spec.template.spec.os = {name: beos}`, `spec.template.spec.os.name is "beos", and must be one of`},
		{"Deployment", `spec.template.spec.shareProcessNamespace = true; spec.template.spec.hostPID = true`, `spec.template.spec.shareProcessNamespace does not go with hostPID`},
		{"Deployment", `spec.template.metadata.annotations[a b] = x`, `spec.template.metadata.annotations is "a b": name part`},
		{"Deployment", `spec.template.metadata.annotations[container.apparmor.security.beta.kubernetes.io/nope] = runtime/default`, `spec.template.metadata.annotations[container.apparmor.security.beta.kubernetes.io/nope] is "nope": is not a container of the pod`},
		{"Deployment", `spec.minReadySeconds = 600; spec.progressDeadlineSeconds = 600`, `spec.progressDeadlineSeconds is "600": must be more than minReadySeconds, which is 600`},
		{"Deployment", `spec.minReadySeconds = -1`, `spec.minReadySeconds is "-1": must be greater than or equal to 0`},
		{"Deployment", `spec.template.spec.containers[0].resources.requests[example.com/gpu] = '1'`, `spec.template.spec.containers[0].resources.limits[example.com/gpu] is missing: must be what is requested: nodes do not overcommit it`},
		{"Deployment", `spec.template.spec.containers[0].resources.requests[hugepages-2Mi] = 3Mi; spec.template.spec.containers[0].resources.limits[hugepages-2Mi] = 3Mi`, `spec.template.spec.containers[0].resources.limits[hugepages-2Mi] is "3Mi": must be a multiple of a page`},
		{"Deployment", `spec.template.spec.containers[0].resources.claims = [{name: x}]`, `spec.template.spec.containers[0].resources.claims[0].name is "x": is not a resource claim of the pod`},
		{"Deployment", `spec.template.spec.containers[0].resizePolicy = [{resourceName: cpu, restartPolicy: Never}]`, `spec.template.spec.containers[0].resizePolicy[0].restartPolicy is "Never", and must be one of`},
		{"Deployment", `spec.template.spec.containers[0].terminationMessagePolicy = Nope`, `spec.template.spec.containers[0].terminationMessagePolicy is "Nope", and must be one of`},
		{"Deployment", `spec.template.spec.containers[0].image = ''`, `spec.template.spec.containers[0].image is "": must be an image, with no space around it`},
		{"Deployment", `spec.template.spec.serviceAccountName = A_b`, `spec.template.spec.serviceAccountName is "A_b": a lowercase RFC 1123 subdomain`},
		{"Deployment", `metadata.annotations.x = ` + strings.Repeat("y", 300000), `metadata.annotations is "<value omitted>": may not be more than 262144 bytes`},
		{"Deployment", `metadata.labels.x = ` + strings.Repeat("y", 64), `…":`},
		{"Deployment", `metadata.finalizers = [x]`, `metadata.finalizers[0] is "x": must begin with a domain, as in example.com/name`},
		{"Deployment", `metadata.ownerReferences = [{apiVersion: v1, kind: X, name: a, uid: ''}]`, `metadata.ownerReferences[0].uid is missing: must not be empty`},
		{"Deployment", `metadata.name = ` + strings.Repeat("x", 254), `…":`},
		{"CronJob", `spec.timeZone = Etc/Nowhere`, `spec.timeZone is "Etc/Nowhere": is not a time zone of the IANA database`},
		{"CronJob", `spec.timeZone = Local`, `spec.timeZone is "Local": must name a time zone, as Etc/UTC does`},
		{"CronJob", `spec.timeZone = ''`, `spec.timeZone is "": must name a time zone, as Etc/UTC does`},
		{"CronJob", `spec.schedule = 0 0 3 * * *`, `spec.schedule is "0 0 3 * * *": expected exactly 5 fields, found 6: [0 0 3 * * *]`},
		{"CronJob", `spec.schedule = '@everyday'`, `spec.schedule is "@everyday": unrecognized descriptor: @everyday`},
		{"CronJob", `spec.jobTemplate.spec.activeDeadlineSeconds = -1`, `spec.jobTemplate.spec.activeDeadlineSeconds is "-1": must be greater than or equal to 0`},
		{"Job", `spec.completionMode = Indexed`, ``},
		{"Job", `spec.backoffLimitPerIndex = 1`, `spec.backoffLimitPerIndex does not go without the mode Indexed`},
		{"Job", `spec.selector = {matchLabels: {a: b}}`, `spec.selector is made by the server, unless manualSelector is set`},
		{"Job", `spec.podFailurePolicy = {rules: [{action: Failed, onExitCodes: {operator: In, values: [1]}}]}`, `spec.podFailurePolicy.rules[0].action is "Failed", and must be one of`},
		{"Job", `spec.podReplacementPolicy = x`, `spec.podReplacementPolicy is "x", and must be one of`},
		{"Job", `spec.managedBy = nope`, `spec.managedBy is "nope": must be a domain-prefixed path (such as "acme.io/foo")`},
		{"HorizontalPodAutoscaler", `spec.metrics[0].containerResource = null`, `spec.metrics[0].containerResource is missing`},
		{"HorizontalPodAutoscaler", `spec.metrics[0].containerResource.container = ''`, `spec.metrics[0].containerResource.container is missing`},
		{"HorizontalPodAutoscaler", `spec.metrics[0].containerResource.target.averageUtilization = 0`, `spec.metrics[0].containerResource.target.averageUtilization is missing: must be 1 or more`},
		{"HorizontalPodAutoscaler", `spec.metrics[0].containerResource.target.type = Percent`, `spec.metrics[0].containerResource.target.type is "Percent", and must be one of`},
		{"HorizontalPodAutoscaler", `spec.metrics[0].resource = {name: cpu, target: {type: Utilization, averageUtilization: 50}}`, `spec.metrics[0].resource does not go with the type ContainerResource`},
		{"HorizontalPodAutoscaler", `spec.behavior.scaleDown.stabilizationWindowSeconds = 7200`, `spec.behavior.scaleDown.stabilizationWindowSeconds is "7200": must be between 0 and 3600`},
		{"HorizontalPodAutoscaler", `spec.behavior.scaleDown.policies = [{type: Pods, value: 1, periodSeconds: 7200}]`, `spec.behavior.scaleDown.policies[0].periodSeconds is "7200": must be between 1 and 1800`},
		{"HorizontalPodAutoscaler", `spec.behavior.scaleDown.policies = [{type: Pod, value: 1, periodSeconds: 60}]`, `spec.behavior.scaleDown.policies[0].type is "Pod", and must be one of`},
		{"HorizontalPodAutoscaler", `spec.behavior.scaleDown.selectPolicy = Most`, `spec.behavior.scaleDown.selectPolicy is "Most", and must be one of`},
		{"HorizontalPodAutoscaler", `spec.scaleTargetRef.name = ''`, `spec.scaleTargetRef.name is missing`},
		{"HorizontalPodAutoscaler", `spec.scaleTargetRef.kind = ''`, `spec.scaleTargetRef.kind is missing`},
		{"HorizontalPodAutoscaler", `spec.minReplicas = 0`, `spec.minReplicas is "0": must be 1 or more`},
		{"PodDisruptionBudget", `spec.unhealthyPodEvictionPolicy = Always`, `spec.unhealthyPodEvictionPolicy is "Always", and must be one of`},
		{"PodDisruptionBudget", `spec.selector = {matchExpressions: [{key: a, operator: Exists, values: [x]}]}`, "spec.selector.matchExpressions[0].values may not be specified when `operator` is 'Exists' or 'DoesNotExist'"},
		{"PodDisruptionBudget", `spec.maxUnavailable = -1`, `spec.maxUnavailable is "-1": must be greater than or equal to 0`},
		{"Service", `spec.clusterIP = 1.2.3`, `spec.clusterIP is "1.2.3": is not an IP address`},
		{"Service", `spec.type = NodePort; spec.clusterIP = None`, `spec.clusterIP does not go with the type NodePort`},
		{"Service", `spec.type = ExternalName`, `spec.externalName is missing: goes with the type ExternalName`},
		{"Service", `spec.externalTrafficPolicy = Local`, `spec.externalTrafficPolicy does not go with the type ClusterIP`},
		{"Service", `spec.internalTrafficPolicy = Near`, `spec.internalTrafficPolicy is "Near", and must be one of`},
		{"Service", `spec.sessionAffinity = Client`, `spec.sessionAffinity is "Client", and must be one of`},
		{"Service", `spec.ports[0].appProtocol = a b`, `spec.ports[0].appProtocol is "a b": name part`},
		{"Service", `spec.ports[0].nodePort = 30001`, `spec.ports[0].nodePort does not go with the type ClusterIP`},
		{"Service", `spec.loadBalancerClass = a/b`, `spec.loadBalancerClass does not go with the type ClusterIP`},
		{"Service", `spec.loadBalancerSourceRanges = [10.0.0.0/8]`, `spec.loadBalancerSourceRanges does not go with the type ClusterIP`},
		{"Service", `spec.externalIPs = [127.0.0.1]`, `spec.externalIPs[0] is "127.0.0.1": must be an address that others can reach`},
		{"Service", `spec.trafficDistribution = Near`, `spec.trafficDistribution is "Near", and must be one of`},
		{"Service", `spec.ports[0].name = HTTP`, `spec.ports[0].name is "HTTP": a lowercase RFC 1123 label`},
		{"Service", `spec.ipFamilies = [IPv5]`, `spec.ipFamilies[0] is "IPv5", and must be one of`},
		{"Service", `spec.sessionAffinityConfig = {clientIP: {timeoutSeconds: 10}}`, ``},
		{"NetworkPolicy", `spec.egress[0].to[0].ipBlock.cidr = 203.0.113.5/24`, ``},
		{"NetworkPolicy", `spec.egress[0].to[0].ipBlock.cidr = 203.0.113.000/24`, `spec.egress[0].to[0].ipBlock.cidr is "203.0.113.000/24": is not a CIDR such as 203.0.113.0/24`}, // the server warns of it, and Kubernetes means to refuse it
		{"NetworkPolicy", `spec.egress[0].to[0].ipBlock.except = [203.0.113.0/24]`, `spec.egress[0].to[0].ipBlock.except[0] is "203.0.113.0/24": does not lie within 203.0.113.0/24`},
		{"NetworkPolicy", `spec.egress[0].ports[0].port = HTTPS_`, `spec.egress[0].ports[0].port is "HTTPS_": must contain at least one letter (a-z)`},
		{"NetworkPolicy", `spec.policyTypes[1] = Ingress; spec.policyTypes[2] = Egress`, `spec.policyTypes[2] is "Egress", which is there already`},
		{"ResourceQuota", `spec.scopes = [Foo]`, `spec.scopes[0] is "Foo", and must be one of`},
		{"ResourceQuota", `spec.scopes = [BestEffort]`, `spec.scopes[0] is BestEffort, and does not go with configmaps in spec.hard`},
		{"ResourceQuota", `spec.hard[requests.cpu] = '-1'`, `spec.hard[requests.cpu] is "-1": must not be negative`},
		{"ResourceQuota", `spec.hard[count/x y] = '1'`, `spec.hard[count/x y] is "count/x y": name part`},
		{"ResourceQuota", `spec.hard[limits.storage] = 1Gi`, `spec.hard[limits.storage] is not a resource that quotas count`},
		{"LimitRange", `spec.limits[0].max.gpu = '1'`, `spec.limits[0].max[gpu] is "gpu", and must be one of`},
		{"LimitRange", `spec.limits[0].maxLimitRequestRatio = {cpu: '0.5'}`, `spec.limits[0].maxLimitRequestRatio[cpu] is "500m": must not be less than 1`},
		{"LimitRange", `spec.limits[1].max = null`, `spec.limits[1].max is missing: the type PersistentVolumeClaim needs min or max of storage`},
		{"LimitRange", `spec.limits[0].min = {cpu: 200m}`, `spec.limits[0].min[cpu] is "200m": is more than defaultRequest, which is 100m`},
		{"LimitRange", `spec.limits[1].default = {storage: 30Gi}`, `spec.limits[1].default[storage] is "30Gi": is more than max, which is 20Gi`},
		{"Role", `rules[0].verbs = []`, `rules[0].verbs is missing`},
		{"RoleBinding", `subjects[0].name = ''`, `subjects[0].name is missing`},
		{"RoleBinding", `subjects[0].namespace = x`, ``},
		{"RoleBinding", `subjects[0].apiGroup = null; subjects[0].kind = ServiceAccount; subjects[0].name = A_b; subjects[0].namespace = x`, `subjects[0].name is "A_b": a lowercase RFC 1123 subdomain`},
		{"ServiceAccount", `imagePullSecrets[0].name = a; imagePullSecrets[1] = {name: a}`, ``},
		{"Namespace", `spec = {finalizers: [x]}`, `spec.finalizers[0] is "x": must begin with a domain, as in example.com/name`},
		{"Namespace", `metadata.labels[a/b/c] = x`, `metadata.labels is "a/b/c": a valid label key`},
		{"ConfigMap", `data[..] = x`, `data[..] is "..": must not be '..'`},
		{"HelmRelease", `spec.chartRef = {kind: OCIRepository, name: a}`, `spec needs one of chart and chartRef`},
		{"HelmRelease", `spec.chart = null`, `spec needs one of chart and chartRef`},
		{"HelmRelease", `spec.driftDetection = {mode: 'on'}`, `spec.driftDetection.mode is "on", and must be one of`},
		{"Kustomization", `spec.postBuild = {substituteFrom: [{kind: Secret, name: ''}]}`, `spec.postBuild.substituteFrom[0].name minLength: got 0, want 1`},
		{"HelmRepository", `spec.provider = az`, `spec.provider is "az", and must be one of`},
		{"HelmRepository", `spec.type = git`, `spec.type is "git", and must be one of`},
		{"HelmRepository", `spec.url = ftp://x`, `spec.url is "ftp://x", and must match`},
		{"GitRepository", `spec.provider = github`, ``},
		{"GitRepository", `spec.serviceAccountName = a`, `spec.serviceAccountName does not go without the provider aws or azure`},
		{"GitRepository", `spec.timeout = 1d`, `spec.timeout is "1d", and must match`},
		{"GitRepository", `spec.sparseCheckout = [a, a, a]`, ``},
		{"PeerAuthentication", `spec.portLevelMtls = {'8080': {mode: STRICT}}`, `spec.portLevelMtls does not go without a selector`},
		{"PeerAuthentication", `spec.selector = {matchLabels: {a: b}}; spec.portLevelMtls = {'0': {mode: STRICT}}`, `spec.portLevelMtls[0] is "0": must be between 1 and 65535, inclusive`},
		{"AuthorizationPolicy", `spec.targetRefs = [{kind: Service, group: '', name: x}]`, `spec may have only one of selector, targetRef and targetRefs`},
		{"AuthorizationPolicy", `spec.selector.matchLabels = {a*: b}`, `spec.selector.matchLabels[a*] is "a*": must be a label, without wildcards`},
		{"AuthorizationPolicy", `spec.selector.matchLabels = {? '' : b}`, `spec.selector.matchLabels[] is "": must be a label, without wildcards`},
		{"AuthorizationPolicy", `spec.rules[0].from[0].source.serviceAccounts = [a/b]`, `spec.rules[0].from[0].source may not have serviceAccounts with principals or namespaces`},
		{"AuthorizationPolicy", `spec.rules[0].from[0].source = {serviceAccounts: [a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a]}`, `spec.rules[0].from[0].source.serviceAccounts maxItems: got 17, want 16`},
		{"VirtualService", `spec.hosts[0] = ''`, ``},
		{"VirtualService", `spec.http[0].timeout = soon`, `spec.http[0].timeout is "soon": must be a duration such as 1m30s, of 1ms or more`},
		{"VirtualService", `spec.http[0].timeout = 0.1ms`, `spec.http[0].timeout is "0.1ms": must be a duration such as 1m30s, of 1ms or more`},
		{"VirtualService", `spec.http[0].route[0].weight = -1`, ``},
		{"VirtualService", `spec.http[0].route[0].destination.port.number = 70000`, ``},
		{"ExternalSecret", `spec.refreshPolicy = x`, `spec.refreshPolicy is "x", and must be one of`},
		{"ExternalSecret", `spec.dataFrom = [{sourceRef: {generatorRef: {kind: Foo, name: a}}}]`, `spec.dataFrom[0].sourceRef.generatorRef.kind is "Foo", and must be one of`},
		{"ExternalSecret", `spec.data[0].secretKey = a b`, `spec.data[0].secretKey is "a b", and must match`},
		{"ExternalSecret", `spec.secretStoreRef.name = A_b`, `spec.secretStoreRef.name is "A_b", and must match`},
		{"ExternalSecret", `spec.target.name = A_b`, `spec.target.name is "A_b", and must match`},
		{"ExternalSecret", `spec.target.creationPolicy = Own`, `spec.target.creationPolicy is "Own", and must be one of`},
		{"ExternalSecret", `spec.refreshInterval = soon`, ``},
		{"AppProject", `spec.roles[0].name = ` + strings.Repeat("x", 300), ``},
		{"Application", `spec.revisionHistoryLimit = five`, `spec.revisionHistoryLimit is a string, and must be an integer`},
		{"Application", `spec.project = null`, `spec.project is missing`},
		{"ServiceMonitor", `spec.endpoints[0].scheme = HTTPZ`, `spec.endpoints[0].scheme is "HTTPZ", and must be one of`},
		{"ServiceMonitor", `spec.endpoints[0].interval = 30 s`, `spec.endpoints[0].interval is "30 s", and must match`},
		{"ServiceMonitor", `spec.endpoints[0].port = 9394`, `spec.endpoints[0].port is a number, and must be a string`},
		{"PrometheusRule", `spec.groups[0].rules[0].for = 5 minutes`, `spec.groups[0].rules[0].for is "5 minutes", and must match`},
		{"PrometheusRule", `spec.groups[1] = {name: slo-panchito, rules: [{alert: TenantErrorBudgetBurn, expr: up == 0, for: 1h, labels: {severity: warning, team: data, tenant: panchito, window: 3d}, annotations: {summary: panchito fails requests fast enough to use 10% of its 30-day error budget within 3d}}]}`, `spec.groups has two items with name slo-panchito, the ones at 0 and 1`},
		// Of what follows, the built-in kinds were sent to one; the definitions of the others were read.
		{"CronJob", `spec.jobTemplate.spec.completionMode = Indexed`, `spec.jobTemplate.spec.completions is missing: goes with the mode Indexed`},
		{"Service", `spec.sessionAffinity = None; spec.sessionAffinityConfig = {clientIP: {timeoutSeconds: 0}}`, ``},
		{"Service", `spec.sessionAffinity = ClientIP; spec.sessionAffinityConfig = {clientIP: {timeoutSeconds: 0}}`, `spec.sessionAffinityConfig.clientIP.timeoutSeconds is "0": must be between 1 and 86400`},
		{"Service", `spec.type = NodePort; spec.ports[0].nodePort = 30001; spec.externalTrafficPolicy = Local`, ``},
		{"ResourceQuota", `spec.scopes = [Terminating]; spec.hard = {pods: 1, limits.cpu: 3, requests.memory: 1Gi}`, ``},
		{"LimitRange", `spec.limits[0].maxLimitRequestRatio = {cpu: 4}`, ``},
		{"CronJob", `spec.timeZone = Europe/Berlin`, ``},
		{"CronJob", `spec.timeZone = ../etc`, `spec.timeZone is "../etc": is not a time zone`},
		{"Deployment", `spec.minReadySeconds = 600`, `spec.progressDeadlineSeconds is "600": must be more than minReadySeconds`},
		{"Deployment", `spec.template.spec.volumes[0].emptyDir = null`, ``},
		{"Deployment", `spec.template.spec.initContainers = [{name: i, image: a, restartPolicy: Always, readinessProbe: {tcpSocket: {port: 1}}}]`, ``},
		{"Deployment", `spec.template.spec.containers[0].env[2] = {name: X, valueFrom: {fieldRef: {fieldPath: "metadata.labels['zave.io/tenant']"}}}`, ``},
		{"Deployment", `spec.template.spec.tolerations = [{operator: Exists}]`, ``},
		{"Deployment", `spec.template.spec.topologySpreadConstraints[0].maxSkew = 0`, `spec.template.spec.topologySpreadConstraints[0].maxSkew is "0": must be 1 or more`},
		{"Deployment", `spec.template.spec.securityContext.fsGroup = 2147483648`, `spec.template.spec.securityContext.fsGroup is "2147483648": must be between 0 and 2147483647, inclusive`},
		{"Deployment", `metadata.finalizers = [example.com/a, orphan]`, ``},
		{"HorizontalPodAutoscaler", `spec.behavior.scaleDown.policies = [{type: Pods, value: 0, periodSeconds: 60}]`, `spec.behavior.scaleDown.policies[0].value is "0": must be 1 or more`},
		{"HorizontalPodAutoscaler", `spec.behavior.scaleUp = {selectPolicy: Disabled}`, ``},
		{"ResourceQuota", `spec.scopes = [BestEffort, NotBestEffort]; spec.hard = {pods: 1}`, `spec.scopes may not hold both BestEffort and NotBestEffort`},
		{"Application", `metadata.finalizers = [resources-finalizer.argocd.argoproj.io]`, ``},
		{"HelmRelease", `spec.chart = null; spec.chartRef = {kind: OCIRepository, name: a}`, ``},
		{"GitRepository", `spec.serviceAccountName = a; spec.provider = azure`, ``},
		{"PeerAuthentication", `spec.selector = {matchLabels: {a: b}}; spec.portLevelMtls = {'8080': {mode: STRICT}}`, ``},
		{"VirtualService", `spec.http[0].timeout = 1m30s`, ``},
		{"VirtualService", `spec.http[0].retries = {attempts: 1, perTryTimeout: 10us}`, `spec.http[0].retries.perTryTimeout is "10us": must be a duration`},
		{"Gateway", `spec.servers[1].port.name = http`, `spec.servers[1].port.name is "http", which is there already`},
		{"Gateway", `spec.servers[0].hosts[0] = ''`, `spec.servers[0].hosts[0] is missing`},
	} {
		t.Run(test.kind+"/"+test.edits[:min(len(test.edits), 90)], func(t *testing.T) {
			var doc any
			if err := yaml.Unmarshal([]byte(good[test.kind]), &doc); err != nil || doc == nil {
				t.Fatalf("no good object: %v", err)
			}
			for _, e := range strings.Split(test.edits, "; ") {
				path, text, _ := strings.Cut(e, " = ")
				var value any
				if err := yaml.Unmarshal([]byte(text), &value); err != nil {
					t.Fatal(err)
				}
				doc = edit(doc, pathStep.FindAllString(path, -1), value)
			}
			text, err := yaml.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			for _, d := range run(t, parse(t, string(text))) {
				_, s, _ := strings.Cut(d.Summary, ": ")
				said = append(said, s)
			}
			got := strings.Join(said, "; ")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got  %.300s\nwant %s", got, test.want)
			}
		})
	}
}

// pathStep is one step of a path such as spec.hard[requests.cpu] and rules[0].verbs.
var pathStep = regexp.MustCompile(`\[[^]]*\]|[^.[]+`)

// edit sets what is at a path, makes the maps on the way, and takes away what is set to nil.
func edit(doc any, path []string, value any) any {
	if len(path) == 0 {
		return value
	}
	step := strings.Trim(path[0], "[]")
	if list, ok := doc.([]any); ok {
		i, err := strconv.Atoi(step)
		if err != nil || i > len(list) {
			panic("no item " + step)
		}
		if i == len(list) {
			list = append(list, nil)
		}
		list[i] = edit(list[i], path[1:], value)
		return list
	}
	m, ok := doc.(map[string]any)
	if !ok {
		m = map[string]any{}
	}
	if value = edit(m[step], path[1:], value); value == nil {
		delete(m, step)
	} else {
		m[step] = value
	}
	return m
}
