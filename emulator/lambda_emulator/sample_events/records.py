"""Make the events of queues, topics, streams and buckets, which contain records."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import quote_plus

from lambda_emulator.sample_events.values import (
    ACCOUNT_ID,
    CLIENT,
    REGION,
    TIME,
    TIME_MS,
    arn,
    as_base64,
    as_bytes,
    as_text,
    iso_time,
    md5,
    texts,
    uuid,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from lambda_emulator.sample_events.values import Event


def sqs(
    *bodies: object,
    queue: str = "my-queue",
    attributes: Mapping[str, str | int] | None = None,
    group: str = "group",
) -> Event:
    """A batch of messages from an SQS queue, one for each body.

    ``attributes``: the message attributes, text or numbers. If the name of ``queue`` ends with ``.fifo``,
    each message has the message group ``group`` and a sequence number.
    """
    return {
        "Records": [
            {
                "messageId": uuid("sqs", number),
                "receiptHandle": f"AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a{number}",
                "body": text,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": str(TIME_MS),
                    "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                    "ApproximateFirstReceiveTimestamp": str(TIME_MS + 1),
                    **(_fifo(text, number, group) if queue.endswith(".fifo") else {}),
                },
                "messageAttributes": {
                    name: {
                        "stringValue": str(value),
                        "stringListValues": [],
                        "binaryListValues": [],
                        "dataType": _attribute_type(value),
                    }
                    for name, value in (attributes or {}).items()
                },
                "md5OfBody": md5(text),
                "eventSource": "aws:sqs",
                "eventSourceARN": arn("sqs", queue),
                "awsRegion": REGION,
            }
            for number, text in enumerate(texts(bodies or ("Hello from SQS!",)))
        ]
    }


def sns(
    message: object = "Hello from SNS!",
    *,
    topic: str = "my-topic",
    subject: str | None = None,
    attributes: Mapping[str, str | int] | None = None,
) -> Event:
    """A message from an SNS topic. ``attributes``: the message attributes, text or numbers."""
    topic_arn = arn("sns", topic)
    subscription = f"{topic_arn}:21be56ed-a058-49f5-8c98-aedd2564c486"
    host = f"https://sns.{REGION}.amazonaws.com"
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": subscription,
                "Sns": {
                    "Type": "Notification",
                    "MessageId": uuid("sns", 0),
                    "TopicArn": topic_arn,
                    "Subject": subject,
                    "Message": as_text(message),
                    "Timestamp": iso_time(milliseconds=True),
                    "SignatureVersion": "1",
                    "Signature": "EXAMPLE",
                    "SigningCertUrl": f"{host}/SimpleNotificationService-EXAMPLE.pem",
                    "UnsubscribeUrl": f"{host}/?Action=Unsubscribe&SubscriptionArn={subscription}",
                    "MessageAttributes": {
                        name: {"Type": _attribute_type(value), "Value": str(value)}
                        for name, value in (attributes or {}).items()
                    },
                },
            }
        ]
    }


def kinesis(*records: object, stream: str = "my-stream", partition_key: str = "1") -> Event:
    """Records of a Kinesis data stream. ``records``: text, ``bytes`` or values that become JSON."""
    found = []
    for number, record in enumerate(records or ("Hello from Kinesis!",)):
        sequence = f"4959033827149025660855969253836157109592157598913658{number:04}"
        found.append(
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": partition_key,
                    "sequenceNumber": sequence,
                    "data": as_base64(as_bytes(record)),
                    "approximateArrivalTimestamp": TIME.timestamp(),
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"shardId-000000000006:{sequence}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": f"arn:aws:iam::{ACCOUNT_ID}:role/lambda-role",
                "awsRegion": REGION,
                "eventSourceARN": arn("kinesis", f"stream/{stream}"),
            }
        )
    return {"Records": found}


def dynamodb(
    new: Mapping[str, Any] | None = None,
    old: Mapping[str, Any] | None = None,
    *,
    keys: Iterable[str] = ("id",),
    table: str = "my-table",
) -> Event:
    """One change in a DynamoDB stream that has both images.

    ``new`` and ``old`` are items of plain Python values; the event has DynamoDB's attribute values. With only
    ``new`` the event is an INSERT, with only ``old`` a REMOVE, with both a MODIFY. ``keys``: the names of the
    item's key attributes.
    """
    if new is None and old is None:
        new = {"id": "1", "name": "sample"}
    name = "INSERT" if old is None else "REMOVE" if new is None else "MODIFY"
    item = new if new is not None else old or {}
    change: Event = {
        "ApproximateCreationDateTime": TIME.timestamp(),
        "Keys": _attributes({key: item[key] for key in keys if key in item}),
        "SequenceNumber": "111",
        "SizeBytes": len(json.dumps([new, old], default=str)),
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    if new is not None:
        change["NewImage"] = _attributes(new)
    if old is not None:
        change["OldImage"] = _attributes(old)
    record: Event = {
        "eventID": md5(f"{name} {table}"),
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": REGION,
        "dynamodb": change,
        "eventSourceARN": arn("dynamodb", f"table/{table}/stream/2026-01-02T00:00:00.000"),
    }
    return {"Records": [record]}


def s3(
    key: str = "folder/file.txt",
    *,
    bucket: str = "my-bucket",
    event_name: str = "ObjectCreated:Put",
    size: int = 1024,
) -> Event:
    """A notification of an S3 bucket. The event has ``key`` percent-encoded, with ``+`` for a space.

    ``event_name``: for example ``ObjectRemoved:Delete``, whose event has no size and no ETag.
    """
    content = {"size": size, "eTag": "d41d8cd98f00b204e9800998ecf8427e"}
    if event_name.startswith("ObjectRemoved:"):
        content = {}
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": REGION,
                "eventTime": iso_time(milliseconds=True),
                "eventName": event_name,
                "userIdentity": {"principalId": "AWS:AIDAINPONIXQXHT3IKHL2"},
                "requestParameters": {"sourceIPAddress": CLIENT},
                "responseElements": {
                    "x-amz-request-id": "D82B88E5F771F645",
                    "x-amz-id-2": "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD",
                },
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "828aa6fc-f7b5-4305-8584-487c791949c1",
                    "bucket": {
                        "name": bucket,
                        "ownerIdentity": {"principalId": "A3I5XTEXAMAI3E"},
                        "arn": f"arn:aws:s3:::{bucket}",
                    },
                    "object": {
                        "key": quote_plus(key, safe="/"),
                        **content,
                        "sequencer": "0055AED6DCD90281E5",
                    },
                },
            }
        ]
    }


def _fifo(text: str, number: int, group: str) -> dict[str, str]:
    return {
        "SequenceNumber": f"18849496460467{number:06}",
        "MessageGroupId": group,
        "MessageDeduplicationId": hashlib.sha256(text.encode()).hexdigest(),
    }


def _attributes(item: Mapping[str, Any]) -> Event:
    return {name: _attribute(value) for name, value in item.items()}


def _attribute(value: Any) -> Event:
    """Return DynamoDB's attribute value for a Python value, as boto3's TypeSerializer does."""
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bytes):
        return {"B": as_base64(value)}
    if isinstance(value, (list, tuple)):
        return {"L": [_attribute(one) for one in value]}
    if isinstance(value, dict):
        return {"M": _attributes(value)}
    if isinstance(value, (set, frozenset)):
        values = [_attribute(one) for one in sorted(value)]
        return {f"{next(iter(values[0]))}S": [next(iter(one.values())) for one in values]}
    return {"N": str(value)}  # int, float, Decimal


def _attribute_type(value: str | int) -> str:
    return "String" if isinstance(value, str) else "Number"
