/**
 * The keys of the role that an EC2 instance runs as. They live for some hours; whoever uses them
 * asks again before they end.
 *
 *     GET meta-data/iam/security-credentials/       → the role's name
 *     GET meta-data/iam/security-credentials/ROLE   → { Code, AccessKeyId, SecretAccessKey, Token,
 *                                                       Expiration, … }
 */
import { malformed, type MetadataAccess, withAccess } from '../metadata-client.js';
import { MetadataError } from '../metadata-error.js';
import { field, parseJson, secretField, textField } from '../metadata-values.js';
import { Imds } from './metadata-imds.js';

export interface InstanceCredentials {
  readonly role: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  /** Unix time in milliseconds. */
  readonly expiresAtMs: number;
}

const folder = 'meta-data/iam/security-credentials/';

/** Rejects with a MetadataError; `absent`: the instance has no role. */
export function instanceCredentials(access: MetadataAccess): Promise<InstanceCredentials> {
  return withAccess(access, async (transport, signal) => {
    const imds = await Imds.open({ env: access.env, transport, signal });
    const role = (await imds.get(folder))?.split('\n', 1)[0]?.trim() ?? '';
    // An IAM name: letters, digits and these.
    if (!/^[\w+=,.@-]{1,128}$/.test(role)) throw noRole(role === '');
    const text = await imds.get(`${folder}${role}`);
    if (text === undefined) throw noRole(true);
    return readCredentials(text, role);
  });
}

function readCredentials(text: string, role: string): InstanceCredentials {
  const answer = parseJson(text);
  const code = textField(answer, 'Code');
  if (code !== undefined && code !== 'Success')
    throw new MetadataError(`EC2 has no keys for role ${role} now`, {
      failure: 'status',
      remedy: 'check the trust policy of the role: ec2.amazonaws.com must be allowed to assume it',
    });
  const accessKeyId = secretField(answer, 'AccessKeyId');
  const secretAccessKey = secretField(answer, 'SecretAccessKey');
  const sessionToken = secretField(answer, 'Token');
  const expiresAtMs = Date.parse(String(field(answer, 'Expiration')));
  if (
    accessKeyId === undefined ||
    secretAccessKey === undefined ||
    sessionToken === undefined ||
    !Number.isFinite(expiresAtMs)
  )
    throw malformed(`the metadata service at ${folder}${role}`, 'a set of keys');
  return Object.freeze({ role, accessKeyId, secretAccessKey, sessionToken, expiresAtMs });
}

function noRole(none: boolean): MetadataError {
  if (!none) return malformed(`the metadata service at ${folder}`, "a role's name");
  return new MetadataError('this EC2 instance has no IAM role, so it has no keys', {
    failure: 'absent',
    remedy:
      'attach an instance profile whose role permits what the policy in deploy/aws lists, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
  });
}
