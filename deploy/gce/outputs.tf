# What other configurations need of it.

output "tag" {
  description = "Network tag of nodes that are made elsewhere."
  value       = "${var.name}-node"
}

output "service_account" {
  description = "For nodes that are made elsewhere."
  value       = google_service_account.node.email
}

output "nodes" {
  description = "Name to private address, as the cluster file has them."
  value       = { for name, node in google_compute_instance.node : name => node.network_interface[0].network_ip }
}
