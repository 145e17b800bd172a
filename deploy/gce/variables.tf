# What an installer says about a cluster's nodes on Google Cloud. Without nodes the module makes the
# firewall rules, the role and the service account for machines of your own.

variable "name" {
  description = "Begins the name of everything that is made."
  type        = string
  default     = "selvage"
}

variable "project" {
  description = "The project of the nodes."
  type        = string
}

variable "network" {
  description = "The VPC network of the nodes."
  type        = string
}

variable "peers" {
  description = "Prefixes of the cluster's nodes elsewhere, IPv4: racks, other clouds, other networks."
  type        = list(string)
  default     = []

  validation {
    condition     = !contains(var.peers, "0.0.0.0/0")
    error_message = "Tunnel packets are accepted from the cluster's nodes only, never from 0.0.0.0/0."
  }
}

variable "native_prefixes" {
  description = "Overlay prefixes (IPv4) whose packets arrive without a tunnel: where a rule says native, or auto may choose it."
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
  description = "Permits what cloud.manage: true does: canIpForward and routes."
  type        = bool
  default     = true
}

variable "can_ip_forward" {
  description = "Lets the nodes send packets of their workloads without a tunnel. Cheap to set when a machine is made, and a restart later."
  type        = bool
  default     = true
}

variable "nodes" {
  description = "The machines to make, by their names in the cluster file."
  type = map(object({
    zone         = string
    subnetwork   = string
    network_ip   = string
    image        = string
    machine_type = optional(string, "e2-small")
  }))
  default = {}
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
