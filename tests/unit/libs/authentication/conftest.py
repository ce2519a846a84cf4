"""The fixtures of signed mail."""

from tests.signing import message_of, now, records, rsa_keys, rsa_record, seal, sign, specimen, zone

__all__ = ["message_of", "now", "records", "rsa_keys", "rsa_record", "seal", "sign", "specimen", "zone"]
