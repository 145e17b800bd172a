# Nodes on AWS: a security group that admits what tunnels need, a role that may do exactly what the
# agent does, and optionally the machines.

locals {
  # From the nodes among each other, and from peers elsewhere: the same.
  tunnels = {
    ipip  = { protocol = "4", from_port = 0, to_port = 65535, description = "IP in IP (protocol 4)" }
    vxlan = { protocol = "udp", from_port = var.vxlan_port, to_port = var.vxlan_port, description = "VXLAN" }
    probe = { protocol = "udp", from_port = var.probe_port, to_port = var.probe_port, description = "Selvage probes" }
    ping  = { protocol = "icmp", from_port = 8, to_port = -1, description = "Echo requests" }
  }
}

resource "aws_security_group" "nodes" {
  name        = "${var.name}-nodes"
  description = "Nodes of a Selvage cluster"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-nodes" })
}

resource "aws_security_group_rule" "from_nodes" {
  for_each = local.tunnels

  security_group_id        = aws_security_group.nodes.id
  type                     = "ingress"
  protocol                 = each.value.protocol
  from_port                = each.value.from_port
  to_port                  = each.value.to_port
  source_security_group_id = aws_security_group.nodes.id
  description              = each.value.description
}

resource "aws_security_group_rule" "from_peers" {
  for_each = {
    for name, rule in local.tunnels : name => rule
    if length(var.peers) > 0 || (rule.protocol == "udp" && length(var.peers_ipv6) > 0)
  }

  security_group_id = aws_security_group.nodes.id
  type              = "ingress"
  protocol          = each.value.protocol
  from_port         = each.value.from_port
  to_port           = each.value.to_port
  cidr_blocks       = var.peers
  # Protocols 4 and ICMP are IPv4's; VXLAN and probes go over either.
  ipv6_cidr_blocks = each.value.protocol == "udp" ? var.peers_ipv6 : []
  description      = each.value.description
}

# Without a tunnel a packet arrives from the address of a workload, which is in no security group.
resource "aws_security_group_rule" "native" {
  count = length(var.native_prefixes) > 0 ? 1 : 0

  security_group_id = aws_security_group.nodes.id
  type              = "ingress"
  protocol          = "-1"
  from_port         = 0
  to_port           = 0
  cidr_blocks       = [for prefix in var.native_prefixes : prefix if !strcontains(prefix, ":")]
  ipv6_cidr_blocks  = [for prefix in var.native_prefixes : prefix if strcontains(prefix, ":")]
  description       = "Workloads, without a tunnel"
}

# "Fragmentation needed" and "packet too big" come from any router on the way. Without them packets
# vanish on a path whose MTU is smaller than expected.
resource "aws_security_group_rule" "path_mtu" {
  security_group_id = aws_security_group.nodes.id
  type              = "ingress"
  protocol          = "icmp"
  from_port         = 3
  to_port           = 4
  cidr_blocks       = ["0.0.0.0/0"]
  description       = "Path MTU: ICMP type 3 code 4"
}

resource "aws_security_group_rule" "path_mtu_ipv6" {
  security_group_id = aws_security_group.nodes.id
  type              = "ingress"
  protocol          = "icmpv6"
  from_port         = 2
  to_port           = 0
  ipv6_cidr_blocks  = ["::/0"]
  description       = "Path MTU: ICMPv6 type 2"
}

resource "aws_security_group_rule" "egress" {
  security_group_id = aws_security_group.nodes.id
  type              = "egress"
  protocol          = "-1"
  from_port         = 0
  to_port           = 0
  cidr_blocks       = ["0.0.0.0/0"]
  ipv6_cidr_blocks  = ["::/0"]
  description       = "All"
}

# The role of the nodes

resource "aws_iam_role" "node" {
  name = "${var.name}-node"
  tags = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "read" {
  name   = "selvage-read"
  role   = aws_iam_role.node.id
  policy = file("${path.module}/policy-read.json")
}

resource "aws_iam_role_policy" "manage" {
  count = var.manage ? 1 : 0

  name = "selvage-manage"
  role = aws_iam_role.node.id
  # Only in this VPC.
  policy = replace(file("${path.module}/policy-manage.json"), ":vpc/*", ":vpc/${var.vpc_id}")
}

resource "aws_iam_instance_profile" "node" {
  name = "${var.name}-node"
  role = aws_iam_role.node.name
  tags = var.tags
}

# The machines

resource "aws_instance" "node" {
  for_each = var.nodes

  ami                    = each.value.ami
  instance_type          = each.value.instance_type
  key_name               = each.value.key_name
  subnet_id              = each.value.subnet_id
  private_ip             = each.value.private_ip
  vpc_security_group_ids = concat([aws_security_group.nodes.id], var.security_group_ids)
  iam_instance_profile   = aws_iam_instance_profile.node.name
  source_dest_check      = var.source_dest_check
  tags                   = merge(var.tags, { Name = each.key })

  # Compressed: EC2 takes 16 KB at most.
  user_data_base64 = base64gzip(templatefile("${path.module}/../cloud-init/user-data.yaml", {
    cluster_file_base64 = filebase64(var.cluster_file)
    selvage_version     = var.selvage_version
    npm_package         = var.npm_package
    npm_registry        = var.npm_registry
    node_name           = each.key
  }))

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = var.metadata_hop_limit
  }

  lifecycle {
    precondition {
      condition     = var.cluster_file != null && var.selvage_version != null
      error_message = "Nodes need cluster_file and selvage_version."
    }
    # A node is upgraded by the installer and not by a new machine.
    ignore_changes = [user_data_base64]
  }
}
