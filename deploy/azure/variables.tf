# What an installer says about a cluster's nodes on Azure. Without nodes the module makes the
# security group, the route table, the role and the identity for machines of your own.

variable "name" {
  description = "Begins the name of everything that is made."
  type        = string
  default     = "selvage"
}

variable "resource_group_name" {
  description = "The resource group of all that is made; the role reaches no further."
  type        = string
}

variable "location" {
  description = "The region."
  type        = string
}

variable "subnet_id" {
  description = "The subnet of the nodes."
  type        = string
}

variable "node_prefixes" {
  description = "Prefixes of the cluster's nodes, here and elsewhere."
  type        = list(string)

  validation {
    condition     = length(var.node_prefixes) > 0 && !contains(var.node_prefixes, "0.0.0.0/0") && !contains(var.node_prefixes, "*")
    error_message = "Tunnel packets are accepted from the cluster's nodes only: name their prefixes, not 0.0.0.0/0."
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
  description = "Permits what cloud.manage: true does: IP forwarding of network interfaces, and routes."
  type        = bool
  default     = true
}

variable "ip_forwarding" {
  description = "Lets the nodes' network interfaces send and receive packets of workloads without a tunnel."
  type        = bool
  default     = true
}

variable "nodes" {
  description = "The machines to make, by their names in the cluster file."
  type = map(object({
    private_ip     = string
    admin_username = string
    ssh_public_key = string
    size           = optional(string, "Standard_B2s")
    image = object({
      publisher = string
      offer     = string
      sku       = string
      version   = optional(string, "latest")
    })
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

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
