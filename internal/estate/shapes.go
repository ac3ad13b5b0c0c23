package estate

// shape is one way in which tenants are built.
type shape struct {
	description string
	offers      string // the workload that the next tenant uses; empty for none
	body        string // fields after owner, with {name} and the like
}

// shapes are taken in turn. A tenant that offers something shares a cluster with the next one.
var shapes = [...]shape{
	{
		description: "An ETL service: a public web process, a queue worker and a nightly run",
		offers:      "web",
		body: `	clusters: ["home"]
	workloads: {
		web: {
			image: {repository: "registry.estate.test/apps/{name}", tag: "1.4.2", digest: "{digest}"}
			port:   8000
			expose: "public-http"
			health: {startup: "/health", ready: "/health/ready", live: "/health/live"}
			metrics: port: 9394
			env: {APP_ENV: "production", PORT: "8000"}
			secrets: ["app"]
			replicas: {min: 1, max: 3}
			writable: ["/tmp"]
		}
		worker: {
			image: {repository: "registry.estate.test/apps/{name}", tag: "1.4.2", digest: "{digest}"}
			command: ["celery", "-A", "app.celery", "worker", "--loglevel=info"]
			secrets: ["app"]
			size: "standard"
			writable: ["/tmp"]
		}
		nightly: {
			image: {repository: "registry.estate.test/apps/{name}", tag: "1.4.2", digest: "{digest}"}
			command: ["flask", "etl", "run"]
			secrets: ["app"]
			schedule: "{minute} {hour} * * *"
			deadline: "2h"
		}
	}
	database: {
		extensions: ["pg_trgm"]
		backup: {schedule: "{minute} 2 * * *", keep: {daily: 7, weekly: 4}}
	}
	secrets: app: {path: "tenants/{name}/app", keys: ["SECRET_KEY", "BROKER_URL"]}
	network: egress: [{name: "feed", cidrs: ["{cidr}"], ports: [443]}]
	observability: slo: {availability: 99.5, window: "30d"}
`,
	}, {
		description: "A web application with a queue in the platform's Redis",
		body: `	clusters: ["home"]
	workloads: {
		web: {
			image: {repository: "registry.estate.test/apps/{name}", tag: "sha-91c0b2e", digest: "{digest}"}
			port:   3000
			expose: "public-http"
			hosts: ["{name}.estate.test"]
			health: {startup: "/up", ready: "/up", live: "/up"}
			env: {RAILS_ENV: "production", RAILS_LOG_TO_STDOUT: "1"}
			secrets: ["app"]
			size: "standard"
			replicas: {min: 2}
			writable: ["/tmp", "/rails/tmp"]
		}
		sidekiq: {
			image: {repository: "registry.estate.test/apps/{name}", tag: "sha-91c0b2e", digest: "{digest}"}
			command: ["bundle", "exec", "sidekiq"]
			env: {RAILS_ENV: "production", RAILS_LOG_TO_STDOUT: "1"}
			secrets: ["app"]
			size: "standard"
			writable: ["/tmp", "/rails/tmp"]
		}
	}
	database: {extensions: ["citext", "pgcrypto"], connections: 40, backup: {}}
	secrets: app: {path: "tenants/{name}/app", keys: ["RAILS_MASTER_KEY", "REDIS_URL"]}
	network: services: ["redis"]
`,
	}, {
		description: "A service on both clusters, with other hosts and more replicas in the cloud",
		offers:      "prices",
		body: `	clusters: ["home", "cloud"]
	workloads: {
		web: {
			image: {repository: "registry.estate.test/apps/{name}", tag: "v2.0.1", digest: "{digest}"}
			port:   8080
			expose: "public-http"
			hosts: ["{name}.estate.test"]
			health: {ready: "/ready", live: "/live"}
			metrics: {port: 8080, path: "/internal/metrics"}
			replicas: {min: 2, max: 4}
		}
		prices: {
			image: {repository: "registry.estate.test/apps/{name}-prices", digest: "{digest}"}
			port:   9000
			expose: "grpc"
		}
	}
	database: {}
	overrides: cloud: {
		workloads: web: {hosts: ["{name}.cloud.estate.test"], replicas: {min: 3, max: 6}, env: REGION: "cloud"}
		database: connections: 30
	}
`,
	}, {
		description: "A storefront that asks its neighbour for prices",
		body: `	clusters: ["home"]
	workloads: web: {
		image: {repository: "registry.estate.test/apps/{name}", tag: "2026.11.1", digest: "{digest}"}
		port:   4000
		expose: "public-http"
		health: {startup: "/up", ready: "/up", live: "/up"}
		metrics: port: 9394
		secrets: ["app", "mail"]
		size: "large"
	}
	database: {statementTimeout: "1m", backup: {}}
	secrets: {
		app: {path: "tenants/{name}/app", keys: ["SESSION_KEY"]}
		mail: {path: "tenants/{name}/mail", keys: ["SMTP_USERNAME", "SMTP_PASSWORD"], refresh: "15m"}
	}
	network: egress: [{name: "mail-relay", cidrs: ["{cidr}", "2001:db8::/48"], ports: [465, 587]}]
`,
	}, {
		description: "A static site with a feed that is built twice a day",
		body: `	class: "portfolio"
	clusters: ["home"]
	workloads: {
		web: {
			runtime: "static"
			image: {repository: "registry.estate.test/sites/{name}", tag: "c4e8d19", digest: "{digest}"}
			expose: "public-http"
			hosts: ["{name}.estate.test", "www.{name}.estate.test"]
			replicas: min: 2
		}
		feed: {
			image: {repository: "registry.estate.test/sites/{name}-feed", digest: "{digest}"}
			schedule: "{minute} 6,18 * * *"
		}
	}
`,
	}, {
		description: "An internal API over gRPC",
		offers:      "api",
		body: `	clusters: ["cloud"]
	workloads: {
		api: {
			image: {repository: "registry.estate.test/apps/{name}", tag: "v0.9.0", digest: "{digest}"}
			port:   9000
			expose: "grpc"
			metrics: port: 9100
			secrets: ["app"]
			size: "standard"
			replicas: {min: 2, max: 5}
		}
		outbox: {
			image: {repository: "registry.estate.test/apps/{name}", tag: "v0.9.0", digest: "{digest}"}
			args: ["outbox", "--follow"]
			secrets: ["app"]
		}
	}
	database: {extensions: ["uuid-ossp"], connections: 15}
	secrets: app: {path: "tenants/{name}/app", keys: ["SIGNING_KEY"]}
`,
	}, {
		description: "A multi-customer application that keeps its customers apart by row",
		body: `	clusters: ["cloud"]
	workloads: {
		web: {
			image: {repository: "registry.estate.test/apps/{name}", tag: "r118", digest: "{digest}"}
			port:   8080
			expose: "public-http"
			hosts: ["{name}.estate.test"]
			health: {ready: "/healthz", live: "/healthz"}
			replicas: {min: 2, max: 8}
		}
		billing: {
			image: {repository: "registry.estate.test/apps/{name}", tag: "r118", digest: "{digest}"}
			args: ["billing"]
			schedule: "@monthly"
		}
	}
	database: {rowLevelSecurity: true, backup: {schedule: "{minute} * * * *", keep: {daily: 14, weekly: 8}}}
	observability: slo: availability: 99.9
`,
	}, {
		description: "An application that was put to sleep",
		body: `	state: "suspended"
	clusters: ["cloud"]
	workloads: {
		web: {
			image: {repository: "registry.estate.test/apps/{name}", tag: "3.2.0", digest: "{digest}"}
			port:   8080
			expose: "public-http"
			health: {ready: "/", live: "/"}
			metrics: port: 8080
			secrets: ["app"]
		}
		worker: {
			image: {repository: "registry.estate.test/apps/{name}", tag: "3.2.0", digest: "{digest}"}
			args: ["worker"]
		}
	}
	database: {}
	secrets: app: {path: "tenants/{name}/app", keys: ["SECRET_KEY"]}
`,
	}, {
		description: "A team that keeps manifests of its own",
		body: `	clusters: ["cloud"]
	workloads: {
		web: {
			image: {repository: "registry.estate.test/apps/{name}", digest: "{digest}"}
			port:   8080
			expose: "public-http"
			metrics: port: 9090
		}
		worker: image: {repository: "registry.estate.test/apps/{name}", digest: "{digest}"}
	}
	database: {}
	secrets: app: {path: "tenants/{name}/app", keys: ["TOKEN"]}
	source: git: {url: "https://git.estate.test/{name}", path: "deploy", revision: "main"}
`,
	}, {
		description: "An internal dashboard, with a report every hour",
		body: `	clusters: ["cloud"]
	workloads: {
		web: {
			image: {repository: "registry.estate.test/apps/{name}", tag: "v1", digest: "{digest}"}
			port:   3000
			expose: "internal-http"
			health: live: "/healthz"
			runAs: 10001
		}
		collector: {
			image: {repository: "registry.estate.test/apps/{name}", tag: "v1", digest: "{digest}"}
			command: ["/collector"]
			metrics: port: 9100
		}
		report: {
			image: {repository: "registry.estate.test/apps/{name}", tag: "v1", digest: "{digest}"}
			command: ["/report"]
			schedule: "@hourly"
		}
	}
	database: connections: 5
`,
	},
}

// platform has room for some ten thousand tenants.
const platform = `package platform

import "estate.test/platform/schema"

schema.#Platform & {
	name:   "estate"
	domain: "estate.test"
	gitops: {url: "https://git.estate.test/platform/gitops", branch: "main"}
	output: "out"
	registries: ["registry.estate.test/"]
	pullSecret: path:      "platform/registry"
	secretStore: name:     "vault"
	identity: groupPrefix: "estate:"

	tiers: standard: {
		cpu:     "8"
		memory:  "16Gi"
		pods:    40
		storage: "20Gi"
		limits: {cpu: "32", memory: "32Gi"}
		container: {
			default: {cpu: "500m", memory: "512Mi"}
			defaultRequest: {cpu: "100m", memory: "128Mi"}
			max: {cpu: "2", memory: "4Gi"}
		}
	}
	sizes: {
		small: {
			requests: {cpu: "100m", memory: "128Mi"}
			limits: {cpu: "250m", memory: "256Mi"}
		}
		standard: {
			requests: {cpu: "250m", memory: "384Mi"}
			limits: {cpu: "1", memory: "768Mi"}
		}
		large: {
			requests: {cpu: "500m", memory: "1Gi"}
			limits: {cpu: "2", memory: "2Gi"}
		}
	}
	sidecar: {
		requests: {cpu: "20m", memory: "64Mi"}
		limits: {cpu: "500m", memory: "256Mi"}
	}

	clusters: {
		home: {
			distribution: "k3s"
			kubernetes:   "1.34.3"
			domain:       "home.estate.test"
			nodes: [{name: "servers", role: "server", cpu: 32, memory: "128Gi", count: 3}, {name: "agents", cpu: 192, memory: "768Gi", count: 500}]
			storageClass: "local-path"
			gateway:      "ingress/public"
			podCIDR:      "10.64.0.0/10"
			serviceCIDR:  "10.32.0.0/12"
			nodeCIDR:     "192.168.0.0/16"
		}
		cloud: {
			distribution: "eks"
			kubernetes:   "1.35.4"
			domain:       "cloud.estate.test"
			nodes: [{name: "workers", cpu: 192, memory: "768Gi", count: 500}]
			reserved: {cpu: "100", memory: "400Gi"}
			storageClass: "gp3"
			gateway:      "ingress/public"
			podCIDR:      "10.64.0.0/10"
			serviceCIDR:  "172.20.0.0/16"
			nodeCIDR:     "10.0.0.0/12"
		}
	}

	services: {
		mesh: {
			chart: {repository: "https://charts.estate.test/istio", name: "istiod", version: "1.31.1"}
			namespace: "istio-system"
			role:      "mesh"
			provides: {
				crds: ["networking.istio.io", "security.istio.io", "telemetry.istio.io"]
				endpoints: xds: {port: 15012, service: "istiod", pods: app: "istiod", serviceAccount: "istiod"}
			}
		}
		ingress: {
			chart: {repository: "https://charts.estate.test/istio", name: "gateway", version: "1.31.1"}
			namespace: "ingress"
			role:      "gateway"
			needs: ["mesh"]
			injection: true
			provides: endpoints: gateway: {port: 443, service: "public", pods: istio: "public", serviceAccount: "public"}
		}
		"external-secrets": {
			chart: {repository: "https://charts.estate.test/external-secrets", name: "external-secrets", version: "1.3.2"}
			namespace:   "external-secrets"
			role:        "secrets"
			podSecurity: "restricted"
			provides: crds: ["external-secrets.io"]
		}
		monitoring: {
			chart: {repository: "https://charts.estate.test/prometheus", name: "kube-prometheus-stack", version: "79.5.0"}
			namespace: "monitoring"
			role:      "monitoring"
			needs: ["mesh"]
			provides: {
				crds: ["monitoring.coreos.com"]
				endpoints: prometheus: {port: 9090, service: "prometheus", pods: "app.kubernetes.io/name": "prometheus", serviceAccount: "prometheus"}
			}
			values: prometheus: prometheusSpec: retention: "15d"
			clusters: cloud: values: prometheus: prometheusSpec: retention: "2d"
		}
		argocd: {
			chart: {repository: "https://charts.estate.test/argo", name: "argo-cd", version: "9.1.4"}
			namespace:   "argocd"
			role:        "delivery"
			podSecurity: "restricted"
			provides: crds: ["argoproj.io"]
		}
		postgres: {
			chart: {repository: "oci://charts.estate.test/databases", name: "postgresql", version: "18.1.13"}
			namespace:   "postgres"
			podSecurity: "restricted"
			needs: ["external-secrets", "monitoring"]
			provides: endpoints: postgres: {port: 5432, service: "postgres", pods: "app.kubernetes.io/name": "postgresql", serviceAccount: "postgres"}
		}
		redis: {
			chart: {repository: "oci://charts.estate.test/databases", name: "redis", version: "23.2.6"}
			namespace:   "redis"
			podSecurity: "restricted"
			needs: ["external-secrets"]
			provides: endpoints: redis: {port: 6379, service: "redis", pods: "app.kubernetes.io/name": "redis", serviceAccount: "redis"}
		}
	}

	database: {
		service: "postgres"
		extensions: ["citext", "pgcrypto", "pg_trgm", "uuid-ossp"]
		maxConnections: 200000
		image: {
			repository: "registry.estate.test/tools/postgres-client"
			tag:        "17.6"
			digest:     "sha256:0f9cb5c2f3d1ad46bd1a22bd1a5fb1f1f5c5fd9bc5b0e26a96dd4fa91ac1ea6a"
		}
		superuserSecret: path: "platform/postgres/superuser"
		bootstrapSecret: path: "platform/postgres/bootstrap"
		backup: {
			s3: {
				url:      "s3://backups"
				endpoint: "https://s3.estate.test"
				credentials: path: "platform/postgres/bucket"
				cidrs: ["198.51.100.0/24"]
			}
			recipients: ["age10jptvqqamu6tgygmc4kgxqg75qjel4kzgd6pmnfanyhrcu0ym5rq9kxa6v"]
			signingKey: {path: "platform/postgres/backup", key: "signing-key"}
			verifyKeys: ["MCowBQYDK2VwAyEAuZ+B6u+3ZSNOuxlzOdtd4IQQTgf37UQJFqBU1nOYg04="]
			restoreTest: identity: {path: "platform/postgres/restore", key: "identity"}
		}
	}
}
`
