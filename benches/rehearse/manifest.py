"""A cluster of two servers and one group with ten resources, each with a monitor."""

print("""apiVersion: stead.dev/v1alpha1
kind: Cluster
metadata: {name: ten}
spec:
  servers:
  - {name: one, addresses: {lan1: 10.1.0.1, lan2: 10.2.0.1}}
  - {name: two, addresses: {lan1: 10.1.0.2, lan2: 10.2.0.2}}
  heartbeat: {timeout: 5s, paths: [lan1, lan2]}
  arbitration: {type: Ping, ping: {targets: [10.1.0.254]}}
---
apiVersion: stead.dev/v1alpha1
kind: FailoverGroup
metadata: {name: business}
spec: {servers: [one, two]}""")
for index in range(1, 11):
    depends = f"\n  dependsOn: [r{index - 1}]" if index > 1 else ""
    print(f"""---
apiVersion: stead.dev/v1alpha1
kind: Resource
metadata: {{name: r{index}}}
spec:
  group: business{depends}
  type: Exec
  exec: {{start: [/srv/r{index}, start], stop: [/srv/r{index}, stop]}}
---
apiVersion: stead.dev/v1alpha1
kind: Monitor
metadata: {{name: r{index}-port}}
spec:
  type: TCP
  tcp: {{port: {8000 + index}}}
  interval: 5s
  timeout: 5s
  timing: WhileActive
  whileActive: r{index}
  recovery:
    target: {{kind: Resource, name: r{index}}}""")
