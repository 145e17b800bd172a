# Nodes on Azure: a security group that admits what tunnels need, a route table for native routing,
# an identity that may do exactly what the agent does, and optionally the machines.
#
# There is no rule for IP in IP (protocol 4): Azure drops it whatever a security group says.

data "azurerm_resource_group" "this" {
  name = var.resource_group_name
}

resource "azurerm_network_security_group" "nodes" {
  name                = "${var.name}-nodes"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags

  security_rule {
    name                       = "selvage-vxlan"
    description                = "VXLAN from the nodes of the cluster"
    priority                   = 300
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Udp"
    source_port_range          = "*"
    destination_port_range     = tostring(var.vxlan_port)
    source_address_prefixes    = var.node_prefixes
    destination_address_prefix = "*"
  }

  security_rule {
    name                       = "selvage-probe"
    description                = "Probes from the nodes of the cluster"
    priority                   = 310
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Udp"
    source_port_range          = "*"
    destination_port_range     = tostring(var.probe_port)
    source_address_prefixes    = var.node_prefixes
    destination_address_prefix = "*"
  }

  # "Fragmentation needed" comes from any router on the way.
  security_rule {
    name                       = "selvage-icmp"
    description                = "Path MTU discovery and ping"
    priority                   = 320
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Icmp"
    source_port_range          = "*"
    destination_port_range     = "*"
    source_address_prefix      = "*"
    destination_address_prefix = "*"
  }

  # Without a tunnel a packet arrives from the address of a workload, which no other rule knows.
  dynamic "security_rule" {
    for_each = length(var.native_prefixes) > 0 ? ["native"] : []

    content {
      name                       = "selvage-native"
      description                = "Workloads, without a tunnel"
      priority                   = 330
      direction                  = "Inbound"
      access                     = "Allow"
      protocol                   = "*"
      source_port_range          = "*"
      destination_port_range     = "*"
      source_address_prefixes    = var.native_prefixes
      destination_address_prefix = "*"
    }
  }
}

# Empty: with cloud.manage the agents write their own routes in here.
resource "azurerm_route_table" "nodes" {
  name                = "${var.name}-nodes"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags

  lifecycle {
    ignore_changes = [route]
  }
}

resource "azurerm_subnet_route_table_association" "nodes" {
  subnet_id      = var.subnet_id
  route_table_id = azurerm_route_table.nodes.id
}

# The role of the nodes

locals {
  read_actions = [
    "Microsoft.Network/networkInterfaces/read",
    "Microsoft.Network/virtualNetworks/read",
    "Microsoft.Network/routeTables/read",
    "Microsoft.Network/networkSecurityGroups/read",
  ]
  manage_actions = [
    "Microsoft.Network/networkInterfaces/write",
    "Microsoft.Network/virtualNetworks/subnets/join/action",
    "Microsoft.Network/networkSecurityGroups/join/action",
    "Microsoft.Network/applicationSecurityGroups/joinIpConfiguration/action",
    "Microsoft.Network/publicIPAddresses/join/action",
    "Microsoft.Network/loadBalancers/backendAddressPools/join/action",
    "Microsoft.Network/loadBalancers/inboundNatRules/join/action",
    "Microsoft.Network/routeTables/routes/write",
    "Microsoft.Network/routeTables/routes/delete",
    "Microsoft.Network/locations/operations/read",
    "Microsoft.Network/locations/operationResults/read",
  ]
}

resource "azurerm_user_assigned_identity" "node" {
  name                = "${var.name}-node"
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}

resource "azurerm_role_definition" "node" {
  name              = "${var.name}-node"
  scope             = data.azurerm_resource_group.this.id
  description       = "Exactly what the agent of a Selvage node calls"
  assignable_scopes = [data.azurerm_resource_group.this.id]

  permissions {
    actions = var.manage ? concat(local.read_actions, local.manage_actions) : local.read_actions
  }
}

resource "azurerm_role_assignment" "node" {
  scope              = data.azurerm_resource_group.this.id
  role_definition_id = azurerm_role_definition.node.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.node.principal_id
}

# The machines

resource "azurerm_network_interface" "node" {
  for_each = var.nodes

  name                  = each.key
  resource_group_name   = var.resource_group_name
  location              = var.location
  ip_forwarding_enabled = var.ip_forwarding
  tags                  = var.tags

  ip_configuration {
    name                          = "primary"
    subnet_id                     = var.subnet_id
    private_ip_address_allocation = "Static"
    private_ip_address            = each.value.private_ip
  }
}

resource "azurerm_network_interface_security_group_association" "node" {
  for_each = var.nodes

  network_interface_id      = azurerm_network_interface.node[each.key].id
  network_security_group_id = azurerm_network_security_group.nodes.id
}

resource "azurerm_linux_virtual_machine" "node" {
  for_each = var.nodes

  name                  = each.key
  resource_group_name   = var.resource_group_name
  location              = var.location
  size                  = each.value.size
  admin_username        = each.value.admin_username
  network_interface_ids = [azurerm_network_interface.node[each.key].id]
  tags                  = var.tags

  custom_data = base64encode(templatefile("${path.module}/../cloud-init/user-data.yaml", {
    cluster_file_base64 = filebase64(var.cluster_file)
    selvage_version     = var.selvage_version
    npm_package         = var.npm_package
    npm_registry        = var.npm_registry
    node_name           = each.key
  }))

  admin_ssh_key {
    username   = each.value.admin_username
    public_key = each.value.ssh_public_key
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.node.id]
  }

  os_disk {
    caching              = "ReadWrite"
    storage_account_type = "Standard_LRS"
  }

  source_image_reference {
    publisher = each.value.image.publisher
    offer     = each.value.image.offer
    sku       = each.value.image.sku
    version   = each.value.image.version
  }

  lifecycle {
    precondition {
      condition     = var.cluster_file != null && var.selvage_version != null
      error_message = "Nodes need cluster_file and selvage_version."
    }
    # A node is upgraded by the installer and not by a new machine.
    ignore_changes = [custom_data]
  }
}
