# What other configurations need of it.

output "security_group_id" {
  description = "For nodes that are made elsewhere."
  value       = aws_security_group.nodes.id
}

output "instance_profile" {
  description = "For nodes that are made elsewhere."
  value       = aws_iam_instance_profile.node.name
}

output "nodes" {
  description = "Name to private address, as the cluster file has them."
  value       = { for name, node in aws_instance.node : name => node.private_ip }
}
