/**
 * Nova's metadata service as its user guide documents it ("Metadata", with `network_data.json` by
 * the schema in nova's `doc/api_schemas`): JSON below /openstack/latest, and the EC2 compatible
 * half below /latest/meta-data.
 */
import type { MetadataAnswered, MetadataAsked } from './metadata-server.js';
import { MetadataServer, json, notFound, text } from './metadata-server.js';

export interface OpenstackServer {
  readonly uuid: string;
  readonly name: string;
  readonly zone: string;
  readonly projectId: string;
  readonly floatingIp?: string;
  readonly links: readonly unknown[];
  readonly networks: readonly unknown[];
}

export const openstackSecrets = {
  adminPass: 'fakeAdminPassword',
  userData: '#cloud-config\npassword: fakeOpenstackUserData',
} as const;

export const openstackExample: OpenstackServer = {
  uuid: 'd8e02d56-2648-49a3-bf97-6be8f1204f38',
  name: 'os-1',
  zone: 'nova',
  projectId: 'f7ac731cc11f40efbc03a9f9e1d1d21f',
  floatingIp: '203.0.113.41',
  links: [
    {
      id: 'tapd435ecea-75',
      vif_id: 'd435ecea-75e0-4b4a-8f4e-6bd1d1c7a6a1',
      type: 'ovs',
      mtu: 1450,
      ethernet_mac_address: 'FA:16:3E:ED:9A:59',
    },
    {
      id: 'tap77a0dc5b-72',
      vif_id: '77a0dc5b-720e-41b7-bfa7-1b2ff62e0d48',
      type: 'ovs',
      mtu: null,
      ethernet_mac_address: 'fa:16:3e:d4:57:ad',
    },
  ],
  networks: [
    {
      id: 'network0',
      link: 'tapd435ecea-75',
      network_id: 'da5bb487-5193-4a65-a3df-4a0055a8c0d7',
      type: 'ipv4',
      ip_address: '192.168.44.10',
      netmask: '255.255.255.0',
      routes: [{ network: '0.0.0.0', netmask: '0.0.0.0', gateway: '192.168.44.1' }],
    },
    {
      id: 'network1',
      link: 'tapd435ecea-75',
      network_id: 'da5bb487-5193-4a65-a3df-4a0055a8c0d7',
      type: 'ipv6',
      ip_address: 'fd00:44::10',
      netmask: 'ffff:ffff:ffff:ffff::',
      routes: [],
    },
    {
      id: 'network2',
      link: 'tap77a0dc5b-72',
      network_id: '8d7e4f2a-5a0c-4c1e-9b37-6bdb5b2e3c11',
      type: 'ipv4_dhcp',
    },
  ],
};

export class FakeOpenstackMetadata extends MetadataServer {
  server: OpenstackServer;

  constructor(server: OpenstackServer = openstackExample) {
    super();
    this.server = server;
  }

  protected answer({ path }: MetadataAsked): MetadataAnswered {
    const { server } = this;
    switch (path) {
      case '/openstack/latest/meta_data.json':
        return json({
          uuid: server.uuid,
          name: server.name,
          hostname: `${server.name}.novalocal`,
          availability_zone: server.zone,
          project_id: server.projectId,
          admin_pass: openstackSecrets.adminPass,
          launch_index: 0,
          public_keys: {},
        });
      case '/openstack/latest/network_data.json':
        return json({ links: server.links, networks: server.networks, services: [] });
      case '/openstack/latest/user_data':
        return text(openstackSecrets.userData);
      case '/latest/meta-data/public-ipv4':
        return text(server.floatingIp ?? '');
      default:
        return notFound;
    }
  }
}
