/**
 * EC2's instance metadata service, version 2 only, as the EC2 user guide documents it ("Use the
 * Instance Metadata Service", "Instance metadata categories"): paths with values as text, lists a
 * line each, folders ending in a slash; 401 without a sound token, 403 while it is switched off,
 * 404 for what is not there, all with the small XHTML page that the real one sends.
 *
 * Credentials: "Retrieve security credentials from instance metadata"; the identity document:
 * "Instance identity documents".
 */
import { randomUUID } from 'node:crypto';
import type { MetadataAnswered, MetadataAsked } from './metadata-server.js';
import { MetadataServer, json, text } from './metadata-server.js';

export interface AwsNic {
  readonly mac: string;
  readonly interfaceId: string;
  readonly deviceNumber: number;
  readonly subnetId: string;
  readonly subnetIpv4: string;
  readonly subnetIpv6?: readonly string[];
  readonly vpcId: string;
  readonly securityGroups: readonly string[];
  readonly ipv4s: readonly string[];
  readonly ipv6s?: readonly string[];
  readonly publicIpv4s?: readonly string[];
  /** Prefix delegation. */
  readonly prefixes?: readonly string[];
}

export interface AwsInstance {
  readonly instanceId: string;
  readonly accountId: string;
  readonly zone: string;
  readonly region: string;
  readonly nics: readonly AwsNic[];
  readonly role?: string;
}

export const awsSecrets = {
  accessKeyId: 'ASIAFAKESECRETKEYID0',
  secretAccessKey: 'fakeSecretAccessKey+0123456789/abcdefghijk',
  token: 'fakeSessionToken//////////wEaCXVzLWVhc3QtMSJHMEUCIQ==',
  userData: '#!/bin/sh\nPASSWORD=fakeUserDataPassword',
} as const;

export const awsExample: AwsInstance = {
  instanceId: 'i-0123456789abcdef0',
  accountId: '123456789012',
  zone: 'eu-west-1a',
  region: 'eu-west-1',
  role: 'selvage-node',
  nics: [
    {
      mac: '0a:1b:2c:3d:4e:5f',
      interfaceId: 'eni-0a1b2c3d4e5f60718',
      deviceNumber: 0,
      subnetId: 'subnet-0aaaaaaaaaaaaaaaa',
      subnetIpv4: '172.31.16.0/20',
      subnetIpv6: ['2001:db8:1f18:6a00::/64'],
      vpcId: 'vpc-0bbbbbbbbbbbbbbbb',
      securityGroups: ['sg-0cccccccccccccccc', 'sg-0dddddddddddddddd'],
      ipv4s: ['172.31.16.11', '172.31.16.12'],
      ipv6s: ['2001:db8:1f18:6a00::b'],
      publicIpv4s: ['203.0.113.11'],
    },
    {
      mac: '0a:1b:2c:3d:4e:60',
      interfaceId: 'eni-0a1b2c3d4e5f60719',
      deviceNumber: 1,
      subnetId: 'subnet-0eeeeeeeeeeeeeeee',
      subnetIpv4: '172.31.32.0/20',
      vpcId: 'vpc-0bbbbbbbbbbbbbbbb',
      securityGroups: ['sg-0cccccccccccccccc'],
      ipv4s: ['172.31.32.11'],
      prefixes: ['172.31.40.16/28'],
    },
  ],
};

const noToken: MetadataAnswered = {
  status: 401,
  headers: { 'content-type': 'text/html' },
  body: '<?xml version="1.0" encoding="iso-8859-1"?>\n<html><head><title>401 - Unauthorized</title></head></html>',
};
const missing: MetadataAnswered = {
  status: 404,
  headers: { 'content-type': 'text/html' },
  body: '<?xml version="1.0" encoding="iso-8859-1"?>\n<html><head><title>404 - Not Found</title></head></html>',
};
const switchedOff: MetadataAnswered = { status: 403, body: 'Forbidden' };

export class FakeAwsMetadata extends MetadataServer {
  instance: AwsInstance;
  /** Answers to a PUT die on the way: the limit of 1 does not reach into a namespace. */
  hopLimitTooSmall = false;
  /** `http-endpoint disabled`. */
  disabled = false;
  /** No token is ever good enough. */
  refusesTokens = false;
  /** When the role's keys end. */
  credentialsEnd = new Date(Date.now() + 6 * 3_600_000);
  readonly #tokens = new Set<string>();

  constructor(instance: AwsInstance = awsExample) {
    super();
    this.instance = instance;
  }

  /** As a restart of the service does. */
  forgetTokens(): void {
    this.#tokens.clear();
  }

  protected answer(asked: MetadataAsked): MetadataAnswered | 'never' {
    const { method, path, headers } = asked;
    if (method === 'PUT') return path === '/latest/api/token' ? this.#token(asked) : missing;
    if (this.disabled) return switchedOff;
    const token = headers['x-aws-ec2-metadata-token'];
    if (typeof token !== 'string' || !this.#tokens.has(token) || this.refusesTokens) return noToken;
    // The real one refuses whoever a proxy speaks for.
    if (headers['x-forwarded-for'] !== undefined) return switchedOff;
    return this.#value(path);
  }

  #token({ headers }: MetadataAsked): MetadataAnswered | 'never' {
    if (this.hopLimitTooSmall) return 'never';
    if (this.disabled || headers['x-forwarded-for'] !== undefined) return switchedOff;
    const ttl = Number(headers['x-aws-ec2-metadata-token-ttl-seconds']);
    if (!(ttl >= 1 && ttl <= 21_600)) return { status: 400, body: 'Bad Request' };
    const token = `AQAEA${randomUUID().replaceAll('-', '')}fakeImdsToken==`;
    this.#tokens.add(token);
    return {
      ...text(token),
      headers: {
        'content-type': 'text/plain',
        'x-aws-ec2-metadata-token-ttl-seconds': String(ttl),
      },
    };
  }

  #value(path: string): MetadataAnswered {
    const { instance } = this;
    const primary = instance.nics[0];
    switch (path) {
      case '/latest/meta-data/instance-id':
        return text(instance.instanceId);
      case '/latest/meta-data/placement/availability-zone':
        return text(instance.zone);
      case '/latest/meta-data/placement/region':
        return text(instance.region);
      case '/latest/meta-data/mac':
        return primary === undefined ? missing : text(primary.mac);
      case '/latest/meta-data/local-ipv4':
        return lines(primary?.ipv4s.slice(0, 1));
      case '/latest/meta-data/public-ipv4':
        return lines(primary?.publicIpv4s?.slice(0, 1));
      case '/latest/meta-data/network/interfaces/macs/':
        return lines(instance.nics.map(({ mac }) => `${mac}/`));
      case '/latest/dynamic/instance-identity/document':
        return json({
          accountId: instance.accountId,
          architecture: 'x86_64',
          availabilityZone: instance.zone,
          imageId: 'ami-0abcdef1234567890',
          instanceId: instance.instanceId,
          instanceType: 'm6i.large',
          pendingTime: '2026-11-01T08:00:00Z',
          privateIp: primary?.ipv4s[0],
          region: instance.region,
          version: '2017-09-30',
        });
      case '/latest/user-data':
        return text(awsSecrets.userData);
      case '/latest/meta-data/iam/security-credentials/':
        return lines(instance.role === undefined ? undefined : [instance.role]);
      case `/latest/meta-data/iam/security-credentials/${instance.role ?? ''}`:
        return json(this.#credentials());
      default:
        return this.#nicValue(path);
    }
  }

  #credentials(): unknown {
    return {
      Code: 'Success',
      LastUpdated: '2026-11-22T08:00:00Z',
      Type: 'AWS-HMAC',
      AccessKeyId: awsSecrets.accessKeyId,
      SecretAccessKey: awsSecrets.secretAccessKey,
      Token: awsSecrets.token,
      Expiration: this.credentialsEnd.toISOString().replace(/\.\d+Z$/, 'Z'),
    };
  }

  #nicValue(path: string): MetadataAnswered {
    const [, mac, key] =
      /^\/latest\/meta-data\/network\/interfaces\/macs\/([^/]+)\/([^/]+)$/.exec(path) ?? [];
    const nic = this.instance.nics.find((entry) => entry.mac === mac);
    if (nic === undefined) return missing;
    switch (key) {
      case 'interface-id':
        return text(nic.interfaceId);
      case 'device-number':
        return text(String(nic.deviceNumber));
      case 'subnet-id':
        return text(nic.subnetId);
      case 'subnet-ipv4-cidr-block':
        return text(nic.subnetIpv4);
      case 'subnet-ipv6-cidr-blocks':
        return lines(nic.subnetIpv6);
      case 'vpc-id':
        return text(nic.vpcId);
      case 'security-group-ids':
        return lines(nic.securityGroups);
      case 'local-ipv4s':
        return lines(nic.ipv4s);
      case 'ipv6s':
        return lines(nic.ipv6s);
      case 'public-ipv4s':
        return lines(nic.publicIpv4s);
      case 'ipv4-prefix':
        return lines(nic.prefixes);
      default:
        return missing;
    }
  }
}

/** What has no line is not there. */
function lines(values: readonly string[] | undefined): MetadataAnswered {
  return values === undefined || values.length === 0 ? missing : text(values.join('\n'));
}
