# Nodes on Google Cloud: firewall rules that admit what tunnels need, a service account that may do
# exactly what the agent does, and optionally the machines.

locals {
  # By the methods that the agent calls.
  read_permissions = [
    "compute.instances.list",
    "compute.instances.get",
    "compute.routes.list",
    "compute.firewalls.list",
    "compute.networks.getEffectiveFirewalls",
  ]
  manage_permissions = [
    "compute.instances.update",
    "compute.zoneOperations.get",
    "compute.routes.create",
    "compute.networks.updatePolicy",
    "compute.instances.use",
    "compute.routes.delete",
    "compute.globalOperations.get",
  ]
}

resource "google_compute_firewall" "tunnels" {
  name        = "${var.name}-tunnels"
  project     = var.project
  network     = var.network
  description = "Selvage: IP in IP, VXLAN, probes, from the nodes of the cluster"
  direction   = "INGRESS"

  source_tags   = ["${var.name}-node"]
  source_ranges = var.peers
  target_tags   = ["${var.name}-node"]

  allow {
    protocol = "ipip"
  }

  allow {
    protocol = "udp"
    ports    = [tostring(var.vxlan_port), tostring(var.probe_port)]
  }

  # Echo requests, and "fragmentation needed" of nodes.
  allow {
    protocol = "icmp"
  }
}

# "Fragmentation needed" comes from any router on the way, so its source cannot be told before.
resource "google_compute_firewall" "path_mtu" {
  name        = "${var.name}-path-mtu"
  project     = var.project
  network     = var.network
  description = "Selvage: path MTU discovery"
  direction   = "INGRESS"

  source_ranges = ["0.0.0.0/0"]
  target_tags   = ["${var.name}-node"]

  allow {
    protocol = "icmp"
  }
}

# Without a tunnel a packet arrives from the address of a workload, which has no tag.
resource "google_compute_firewall" "native" {
  count = length(var.native_prefixes) > 0 ? 1 : 0

  name        = "${var.name}-native"
  project     = var.project
  network     = var.network
  description = "Selvage: workloads, without a tunnel"
  direction   = "INGRESS"

  source_ranges = var.native_prefixes
  target_tags   = ["${var.name}-node"]

  allow {
    protocol = "all"
  }
}

# The role of the nodes

resource "google_service_account" "node" {
  account_id   = "${var.name}-node"
  project      = var.project
  display_name = "Nodes of a Selvage cluster"
}

resource "google_project_iam_custom_role" "node" {
  # Ids of roles take no dashes.
  role_id     = replace("${var.name}_node", "-", "_")
  project     = var.project
  title       = "Selvage node"
  description = "Exactly what the agent of a node calls"
  permissions = var.manage ? concat(local.read_permissions, local.manage_permissions) : local.read_permissions
}

resource "google_project_iam_member" "node" {
  project = var.project
  role    = google_project_iam_custom_role.node.id
  member  = "serviceAccount:${google_service_account.node.email}"
}

# Changing an instance asks for the right to act as the account that runs on it: its own.
resource "google_service_account_iam_member" "itself" {
  count = var.manage ? 1 : 0

  service_account_id = google_service_account.node.name
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${google_service_account.node.email}"
}

# The machines

resource "google_compute_instance" "node" {
  for_each = var.nodes

  name           = each.key
  project        = var.project
  zone           = each.value.zone
  machine_type   = each.value.machine_type
  tags           = ["${var.name}-node"]
  can_ip_forward = var.can_ip_forward

  boot_disk {
    initialize_params {
      image = each.value.image
    }
  }

  network_interface {
    subnetwork = each.value.subnetwork
    network_ip = each.value.network_ip
  }

  service_account {
    email  = google_service_account.node.email
    scopes = [var.manage ? "https://www.googleapis.com/auth/compute" : "https://www.googleapis.com/auth/compute.readonly"]
  }

  metadata = {
    startup-script   = file("${path.module}/startup-script.sh")
    selvage-version  = var.selvage_version
    selvage-package  = var.npm_package
    selvage-registry = var.npm_registry
    selvage-node     = each.key
    selvage-cluster  = file(var.cluster_file)
  }

  lifecycle {
    precondition {
      condition     = var.cluster_file != null && var.selvage_version != null
      error_message = "Nodes need cluster_file and selvage_version."
    }
  }
}
