resource "aws_iam_policy" "stead" {
  name   = "stead-cluster1"
  policy = jsonencode({
    "Statement": [
      {
        "Action": [
          "ec2:AssignIpv6Addresses"
        ],
        "Effect": "Allow",
        "Resource": [
          "arn:aws:ec2:eu-west-1:210987654321:network-interface/eni-0a1b2c3d4e5f60003",
          "arn:aws:ec2:eu-west-1:210987654321:network-interface/eni-0a1b2c3d4e5f60004"
        ],
        "Sid": "AssignIpv6Addresses"
      },
      {
        "Action": [
          "ec2:AssignPrivateIpAddresses"
        ],
        "Effect": "Allow",
        "Resource": [
          "arn:aws:ec2:eu-west-1:210987654321:network-interface/eni-0a1b2c3d4e5f60001",
          "arn:aws:ec2:eu-west-1:210987654321:network-interface/eni-0a1b2c3d4e5f60002"
        ],
        "Sid": "AssignPrivateIpAddresses"
      },
      {
        "Action": [
          "ec2:AssociateAddress",
          "ec2:DisassociateAddress"
        ],
        "Effect": "Allow",
        "Resource": [
          "arn:aws:ec2:eu-west-1:210987654321:elastic-ip/eipalloc-0a1b2c3d4e5f60001",
          "arn:aws:ec2:eu-west-1:210987654321:network-interface/eni-0a1b2c3d4e5f60001",
          "arn:aws:ec2:eu-west-1:210987654321:network-interface/eni-0a1b2c3d4e5f60002"
        ],
        "Sid": "AssociateAddress"
      },
      {
        "Action": [
          "ec2:DescribeAddresses",
          "ec2:DescribeAvailabilityZones",
          "ec2:DescribeInstances",
          "ec2:DescribeNetworkInterfaces",
          "ec2:DescribeRouteTables",
          "ec2:DescribeVpcs"
        ],
        "Effect": "Allow",
        "Resource": [
          "*"
        ],
        "Sid": "Describe"
      },
      {
        "Action": [
          "ec2:DescribeInstanceAttribute",
          "ec2:StartInstances",
          "ec2:StopInstances"
        ],
        "Effect": "Allow",
        "Resource": [
          "arn:aws:ec2:eu-west-1:210987654321:instance/i-0a1b2c3d4e5f60001",
          "arn:aws:ec2:eu-west-1:210987654321:instance/i-0a1b2c3d4e5f60002"
        ],
        "Sid": "StartInstances"
      },
      {
        "Action": [
          "ec2:ReplaceRoute"
        ],
        "Condition": {
          "ArnLike": {
            "ec2:Vpc": [
              "arn:aws:ec2:eu-west-1:210987654321:vpc/vpc-0a1b2c3d4e5f60001"
            ]
          }
        },
        "Effect": "Allow",
        "Resource": [
          "arn:aws:ec2:eu-west-1:210987654321:route-table/*"
        ],
        "Sid": "ReplaceRoute"
      },
      {
        "Action": [
          "route53:ChangeResourceRecordSets"
        ],
        "Condition": {
          "ForAllValues:StringEquals": {
            "route53:ChangeResourceRecordSetsActions": [
              "DELETE",
              "UPSERT"
            ],
            "route53:ChangeResourceRecordSetsNormalizedRecordNames": [
              "srv.hz1.local"
            ],
            "route53:ChangeResourceRecordSetsRecordTypes": [
              "A"
            ]
          }
        },
        "Effect": "Allow",
        "Resource": [
          "arn:aws:route53:::hostedzone/ABCDEFGHIJK123"
        ],
        "Sid": "ChangeResourceRecordSets"
      },
      {
        "Action": [
          "route53:ChangeResourceRecordSets"
        ],
        "Condition": {
          "ForAllValues:StringEquals": {
            "route53:ChangeResourceRecordSetsActions": [
              "UPSERT"
            ],
            "route53:ChangeResourceRecordSetsNormalizedRecordNames": [
              "srv6.hz1.local"
            ],
            "route53:ChangeResourceRecordSetsRecordTypes": [
              "AAAA"
            ]
          }
        },
        "Effect": "Allow",
        "Resource": [
          "arn:aws:route53:::hostedzone/ABCDEFGHIJK123"
        ],
        "Sid": "ChangeResourceRecordSets2"
      },
      {
        "Action": [
          "route53:ListResourceRecordSets"
        ],
        "Effect": "Allow",
        "Resource": [
          "arn:aws:route53:::hostedzone/ABCDEFGHIJK123"
        ],
        "Sid": "ListResourceRecordSets"
      }
    ],
    "Version": "2012-10-17"
  })
}
