//! What AWS answers and moto never does.

/// An answer of EC2: status, code, and what it says.
macro_rules! ec2 {
    ($status:literal, $code:literal, $words:literal) => {
        concat!(
            "HTTP/1.1 ",
            $status,
            "\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n<Response><Errors><Error><Code>",
            $code,
            "</Code><Message>",
            $words,
            "</Message></Error></Errors><RequestID>x</RequestID></Response>"
        )
    };
}

/// An answer of Route 53.
macro_rules! route53 {
    ($status:literal, $code:literal, $words:literal) => {
        concat!(
            "HTTP/1.1 ",
            $status,
            "\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n<ErrorResponse><Error><Type>Sender\
             </Type><Code>",
            $code,
            "</Code><Message>",
            $words,
            "</Message></Error><RequestId>x</RequestId></ErrorResponse>"
        )
    };
}

pub const REFUSED: &str = ec2!(
    "403 Forbidden",
    "UnauthorizedOperation",
    "You are not authorized to perform this operation."
);
pub const REFUSED_ROUTE_53: &str =
    route53!("403 Forbidden", "AccessDenied", "User: x is not authorized to access this resource");
pub const THROTTLED: &str =
    ec2!("503 Service Unavailable", "RequestLimitExceeded", "Request limit exceeded.");
pub const THROTTLED_ROUTE_53: &str = route53!("400 Bad Request", "Throttling", "Rate exceeded");
pub const WRONG_STATE: &str = ec2!(
    "400 Bad Request",
    "IncorrectInstanceState",
    "This instance is not in a state from which it can be stopped."
);
pub const EXPIRED: &str = ec2!("400 Bad Request", "RequestExpired", "Request has expired.");
pub const WRONG_KEY: &str = ec2!(
    "401 Unauthorized",
    "AuthFailure",
    "AWS was not able to validate the provided access credentials"
);
pub const WRONG_KEY_ROUTE_53: &str = route53!(
    "403 Forbidden",
    "InvalidClientTokenId",
    "The security token included in the request is invalid."
);
pub const EXPIRED_KEY: &str =
    ec2!("400 Bad Request", "ExpiredToken", "The provided token has expired.");
pub const EXPIRED_KEY_ROUTE_53: &str = route53!(
    "403 Forbidden",
    "ExpiredToken",
    "The security token included in the request is expired"
);
pub const CLOCK_OFF: &str = ec2!(
    "400 Bad Request",
    "RequestExpired",
    "Request has expired. Timestamp date is 2026-01-01T00:00:00.000Z"
);
pub const CLOCK_OFF_ROUTE_53: &str = route53!(
    "403 Forbidden",
    "SignatureDoesNotMatch",
    "Signature expired: 20260101T000000Z is now earlier than 20260101T010000Z"
);
pub const DOWN: &str =
    ec2!("503 Service Unavailable", "Unavailable", "The server is overloaded and can't handle it.");
pub const DOWN_ROUTE_53: &str =
    route53!("503 Service Unavailable", "ServiceUnavailable", "The request has failed.");
