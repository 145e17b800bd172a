/**
 * Questions to fakes of metadata services as tests ask them: nothing of this machine is looked at,
 * and nobody but a fake on loopback can be asked, whatever mistake a test makes.
 */
import type { Dmi } from '../../src/cloud/dmi.js';
import type { DetectOptions, Detection } from '../../src/cloud/detect.js';
import { detectMachine } from '../../src/cloud/detect.js';
import { instanceCredentials } from '../../src/cloud/aws/metadata.js';
import { managedIdentityToken } from '../../src/cloud/azure/metadata.js';
import { serviceAccountToken } from '../../src/cloud/gce/metadata.js';
import type { MachineFacts } from '../../src/cloud/machine.js';
import { machineToJson } from '../../src/cloud/machine-json.js';
import { MetadataError } from '../../src/cloud/metadata-error.js';
import type { MetadataRequest, MetadataTransport } from '../../src/cloud/metadata-transport.js';
import { openTransport } from '../../src/cloud/metadata-transport.js';
import type { MetadataServer } from '../fakes/cloud/metadata-server.js';
import { FakeAwsMetadata, awsSecrets } from '../fakes/cloud/metadata-aws.js';
import { FakeAzureMetadata, azureSecrets } from '../fakes/cloud/metadata-azure.js';
import { FakeGceMetadata, gceSecrets } from '../fakes/cloud/metadata-gce.js';
import { FakeOpenstackMetadata, openstackSecrets } from '../fakes/cloud/metadata-openstack.js';
import {
  FakeAlibabaMetadata,
  FakeDigitaloceanMetadata,
  FakeHetznerMetadata,
  FakeIbmMetadata,
  FakeOciMetadata,
  otherSecrets,
} from '../fakes/cloud/metadata-others.js';

export const noDmi: Dmi = {
  sysVendor: '',
  productName: '',
  productVersion: '',
  boardVendor: '',
  boardAssetTag: '',
  chassisAssetTag: '',
  biosVendor: '',
};
export const devices = new Map([
  ['0a:1b:2c:3d:4e:5f', 'ens5'],
  ['42:01:0a:84:00:15', 'ens4'],
  ['00:0d:3a:f8:06:ec', 'eth0'],
  ['fa:16:3e:ed:9a:59', 'ens3'],
  ['86:00:00:2a:7d:e0', 'enp7s0'],
]);

/** The real one, which a mistake of a test cannot make ask anybody but the fakes. */
export async function overLoopback<T>(
  work: (transport: MetadataTransport) => Promise<T>,
): Promise<T> {
  const real = openTransport();
  try {
    return await work({
      send: (request) => {
        if (request.url.hostname === '127.0.0.1') return real.send(request);
        throw new Error(`a test would have asked ${request.url.host}`);
      },
      close: () => undefined,
    });
  } finally {
    real.close();
  }
}

/** Detection as a test asks for it: nothing of this machine, no network beyond loopback. */
export function detect(options: Partial<DetectOptions>): Promise<Detection> {
  return overLoopback((transport) =>
    detectMachine({ env: {}, dmi: noDmi, devices, transport, ...options }),
  );
}

export const keysOf: typeof instanceCredentials = (access) =>
  overLoopback((transport) => instanceCredentials({ transport, ...access }));
export const gceToken: typeof serviceAccountToken = (access) =>
  overLoopback((transport) => serviceAccountToken({ transport, ...access }));
export const azureToken: typeof managedIdentityToken = (resource, access) =>
  overLoopback((transport) => managedIdentityToken(resource, { transport, ...access }));

export function found(detection: Detection): Extract<Detection, { kind: 'found' }> {
  if (detection.kind !== 'found') throw new Error(`not found: ${JSON.stringify(detection)}`);
  return detection;
}

export function failed(detection: Detection): Extract<Detection, { kind: 'failed' }> {
  if (detection.kind !== 'failed') throw new Error(`not failed: ${JSON.stringify(detection)}`);
  return detection;
}

export async function refusal(promise: Promise<unknown>): Promise<MetadataError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof MetadataError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

/** Runs with a fake that is gone afterwards. */
export async function withFake<T extends MetadataServer>(
  fake: T,
  work: (fake: T, url: string) => Promise<void>,
): Promise<void> {
  const { url } = await fake.start();
  try {
    await work(fake, url);
  } finally {
    await fake.close();
  }
}

/** A transport that sends nothing: it remembers, and answers as it is told. */
export function spy(
  answer: (request: MetadataRequest) => { status: number; body: string } | MetadataError,
): MetadataTransport & { readonly sent: string[] } {
  const sent: string[] = [];
  return {
    sent,
    send: async (request) => {
      sent.push(`${request.method} ${request.url.href}`);
      const answered = answer(request);
      if (answered instanceof MetadataError) throw answered;
      return { ...answered, headers: {} };
    },
    close: () => undefined,
  };
}

export const nobody = spy(() => new MetadataError('nobody', { failure: 'unreachable' }));

export const plain = (facts: MachineFacts): unknown =>
  JSON.parse(JSON.stringify(machineToJson(facts)));

/** A service of each kind of provider, for what must hold for all of them. */
export const services: readonly (readonly [string, () => MetadataServer])[] = [
  ['AWS_EC2_METADATA_SERVICE_ENDPOINT', () => new FakeAwsMetadata()],
  ['GCE_METADATA_HOST', () => new FakeGceMetadata()],
  ['SELVAGE_AZURE_METADATA_ENDPOINT', () => new FakeAzureMetadata()],
  ['SELVAGE_OPENSTACK_METADATA_ENDPOINT', () => new FakeOpenstackMetadata()],
  ['SELVAGE_IBM_METADATA_ENDPOINT', () => new FakeIbmMetadata()],
  ['SELVAGE_OCI_METADATA_ENDPOINT', () => new FakeOciMetadata()],
  ['SELVAGE_HETZNER_METADATA_ENDPOINT', () => new FakeHetznerMetadata()],
  ['SELVAGE_DIGITALOCEAN_METADATA_ENDPOINT', () => new FakeDigitaloceanMetadata()],
  ['SELVAGE_ALIBABA_METADATA_ENDPOINT', () => new FakeAlibabaMetadata()],
];
export const secrets = [
  ...Object.values(awsSecrets),
  ...Object.values(gceSecrets),
  ...Object.values(azureSecrets),
  ...Object.values(openstackSecrets),
  ...Object.values(otherSecrets),
  'fakeImdsToken',
  'fakeAlibabaToken',
];
