# What other configurations need of it.

output "network_security_group_id" {
  description = "For nodes that are made elsewhere."
  value       = azurerm_network_security_group.nodes.id
}

output "identity_id" {
  description = "For nodes that are made elsewhere."
  value       = azurerm_user_assigned_identity.node.id
}

output "nodes" {
  description = "Name to private address, as the cluster file has them."
  value       = { for name, node in azurerm_network_interface.node : name => node.private_ip_address }
}
