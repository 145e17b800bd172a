/** What EC2's metadata service tells: the keys of the instance's role. */
export { instanceCredentials, type InstanceCredentials } from './metadata-credentials.js';
