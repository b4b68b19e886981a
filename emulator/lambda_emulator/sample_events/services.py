"""Make the events of EventBridge and Cognito."""

from __future__ import annotations

import copy

from lambda_emulator.sample_events.values import ACCOUNT_ID, REGION, arn, iso_time, one_of, uuid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from lambda_emulator.sample_events.values import Event


def eventbridge(
    detail: Mapping[str, Any] | None = None,
    *,
    detail_type: str = "Order Placed",
    source: str = "com.example.orders",
    resources: Iterable[str] = (),
) -> Event:
    """An event from an EventBridge bus."""
    return {
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": detail_type,
        "source": source,
        "account": ACCOUNT_ID,
        "time": iso_time(),
        "region": REGION,
        "resources": list(resources),
        "detail": {"id": "1"} if detail is None else dict(detail),
    }


def schedule(rule: str = "my-schedule") -> Event:
    """A scheduled rule of EventBridge."""
    return eventbridge(
        {}, detail_type="Scheduled Event", source="aws.events", resources=[arn("events", f"rule/{rule}")]
    )


def cognito(
    trigger: str = "PostConfirmation_ConfirmSignUp",
    *,
    user: str = "ada",
    attributes: Mapping[str, str] | None = None,
    request: Mapping[str, Any] | None = None,
) -> Event:
    """A trigger of a Cognito user pool, such as ``PreSignUp_SignUp`` or ``TokenGeneration_Authentication``.

    ``attributes``: the user's attributes besides ``sub`` and ``email``. ``request``: more members of the
    request, such as ``{"clientMetadata": {…}}``.
    """
    members, response = _COGNITO[one_of(_COGNITO, trigger.partition("_")[0], "trigger of Cognito")]
    user_attributes = {"sub": uuid("cognito", 0), "email": f"{user}@example.com", **(attributes or {})}
    return {
        "version": "1",
        "triggerSource": trigger,
        "region": REGION,
        "userPoolId": f"{REGION}_EXAMPLE",
        "userName": user,
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "1example23456789"},
        "request": {"userAttributes": user_attributes, **copy.deepcopy(members), **(request or {})},
        "response": copy.deepcopy(response),
    }


# The further members of the request, and those of the response, by the beginning of the trigger's name.
_COGNITO: dict[str, tuple[Event, Event]] = {
    "PreSignUp": (
        {"validationData": None},
        {"autoConfirmUser": False, "autoVerifyEmail": False, "autoVerifyPhone": False},
    ),
    "PostConfirmation": ({}, {}),
    "PreAuthentication": ({"validationData": None, "userNotFound": False}, {}),
    "PostAuthentication": ({"newDeviceUsed": False}, {}),
    "TokenGeneration": (
        {"groupConfiguration": {"groupsToOverride": [], "iamRolesToOverride": [], "preferredRole": None}},
        {"claimsOverrideDetails": None},
    ),
    "CustomMessage": (
        {"codeParameter": "{####}", "linkParameter": "{##Click Here##}", "usernameParameter": None},
        {"smsMessage": None, "emailMessage": None, "emailSubject": None},
    ),
    "DefineAuthChallenge": (
        {"session": [], "userNotFound": False},
        {"challengeName": None, "issueTokens": None, "failAuthentication": None},
    ),
    "CreateAuthChallenge": (
        {"challengeName": "CUSTOM_CHALLENGE", "session": [], "userNotFound": False},
        {"publicChallengeParameters": None, "privateChallengeParameters": None, "challengeMetadata": None},
    ),
    "VerifyAuthChallengeResponse": (
        {"privateChallengeParameters": {"answer": "1"}, "challengeAnswer": "1", "userNotFound": False},
        {"answerCorrect": False},
    ),
    "UserMigration": (
        {"password": "password", "validationData": None, "clientMetadata": None},
        {
            "userAttributes": None,
            "finalUserStatus": None,
            "messageAction": None,
            "desiredDeliveryMediums": None,
            "forceAliasCreation": None,
        },
    ),
}
