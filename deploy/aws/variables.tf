# What an installer says about a cluster's nodes on AWS. Only vpc_id has to be given: without nodes
# the module makes the security group, the role and the instance profile for machines of your own.

variable "name" {
  description = "Begins the name of everything that is made."
  type        = string
  default     = "selvage"
}

variable "vpc_id" {
  description = "The VPC of the nodes."
  type        = string
}

variable "peers" {
  description = "IPv4 prefixes of the cluster's nodes elsewhere: racks, other clouds, other VPCs."
  type        = list(string)
  default     = []

  validation {
    condition     = !contains(var.peers, "0.0.0.0/0")
    error_message = "Tunnel packets are accepted from the cluster's nodes only, never from 0.0.0.0/0."
  }
}

variable "peers_ipv6" {
  description = "IPv6 prefixes of the cluster's nodes elsewhere."
  type        = list(string)
  default     = []

  validation {
    condition     = !contains(var.peers_ipv6, "::/0")
    error_message = "Tunnel packets are accepted from the cluster's nodes only, never from ::/0."
  }
}

variable "native_prefixes" {
  description = "Overlay prefixes whose packets arrive without a tunnel: where a rule says native, or auto may choose it."
  type        = list(string)
  default     = []
}

variable "vxlan_port" {
  description = "overlay.vxlan.port of the cluster file."
  type        = number
  default     = 4789
}

variable "probe_port" {
  description = "probes.port of the cluster file."
  type        = number
  default     = 8473
}

variable "manage" {
  description = "Permits what cloud.manage: true does: the source/destination check, routes and tags."
  type        = bool
  default     = true
}

variable "source_dest_check" {
  description = "false: the source/destination check of the nodes' network interfaces is off, as native routing needs it."
  type        = bool
  default     = false
}

variable "metadata_hop_limit" {
  description = "Hops that an answer of the metadata service may make. 1 is enough for Selvage; 2 where containers on the node ask it too."
  type        = number
  default     = 1
}

variable "nodes" {
  description = "The machines to make, by their names in the cluster file."
  type = map(object({
    subnet_id     = string
    private_ip    = string
    ami           = string
    instance_type = optional(string, "t3.small")
    key_name      = optional(string)
  }))
  default = {}

  validation {
    condition     = alltrue([for name in keys(var.nodes) : can(regex("^[0-9A-Za-z._-]+$", name))])
    error_message = "Names of nodes consist of letters, digits, dots, dashes and underscores."
  }
}

variable "cluster_file" {
  description = "Path of the cluster file; needed with nodes."
  type        = string
  default     = null
}

variable "selvage_version" {
  description = "Version of the npm package; needed with nodes."
  type        = string
  default     = null
}

variable "npm_package" {
  description = "Name of the npm package, where it is kept under another one."
  type        = string
  default     = "selvage"
}

variable "npm_registry" {
  description = "URL of the npm registry; empty: the one that the image is set up for."
  type        = string
  default     = ""
}

variable "security_group_ids" {
  description = "Further security groups of the nodes, such as the one that admits SSH."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
