# Every image at once, from a fresh clone:
#
#   make demo                     the digits bundle, in build/raspberrypi
#   .venv/bin/edgekit package --docker build/raspberrypi --platform all --contexts build/images
#   docker buildx bake -f docker/docker-bake.hcl
#
# `make images` does the same with `docker build`. For OpenVINO, package a bundle of a target
# that has it (intel-n100) into the same folder, and bake `openvino-amd64`.

variable "CONTEXTS" { default = "build/images" }
variable "NAME" { default = "edgekit/digits" }

# Other bases than the Dockerfiles name; empty for those.
variable "BASE_AMD64" { default = "" }
variable "BASE_ARM64" { default = "" }
variable "BASE_ARMV7" { default = "" }
variable "BASE_BUILDER" { default = "" }

# A file of certificates that builds need here.
variable "CA" { default = "" }

group "default" {
  targets = [
    "litert-amd64", "onnxruntime-amd64", "litert-arm64", "onnxruntime-arm64",
    "tflite-runtime-armv7",
  ]
}

target "amd64" {
  platforms = ["linux/amd64"]
  args      = { BASE = BASE_AMD64 != "" ? BASE_AMD64 : null }
}

target "arm64" {
  platforms = ["linux/arm64"]
  args      = { BASE = BASE_ARM64 != "" ? BASE_ARM64 : null }
}

target "armv7" {
  platforms = ["linux/arm/v7"]
  args      = { BASE = BASE_ARMV7 != "" ? BASE_ARMV7 : null }
}

target "litert-amd64" {
  inherits = ["amd64"]
  context  = "${CONTEXTS}/litert-amd64"
  tags     = ["${NAME}:litert-amd64"]
}

target "onnxruntime-amd64" {
  inherits = ["amd64"]
  context  = "${CONTEXTS}/onnxruntime-amd64"
  tags     = ["${NAME}:onnxruntime-amd64"]
}

target "openvino-amd64" {
  inherits = ["amd64"]
  context  = "${CONTEXTS}/openvino-amd64"
  tags     = ["${NAME}:openvino-amd64"]
}

target "litert-arm64" {
  inherits = ["arm64"]
  context  = "${CONTEXTS}/litert-arm64"
  tags     = ["${NAME}:litert-arm64"]
}

target "onnxruntime-arm64" {
  inherits = ["arm64"]
  context  = "${CONTEXTS}/onnxruntime-arm64"
  tags     = ["${NAME}:onnxruntime-arm64"]
}

target "tflite-runtime-armv7" {
  inherits = ["armv7"]
  context  = "${CONTEXTS}/tflite-runtime-armv7"
  tags     = ["${NAME}:tflite-runtime-armv7"]
}

target "builder" {
  context    = "."
  dockerfile = "docker/builder.Dockerfile"
  tags       = ["edgekit/builder"]
  args       = { BASE = BASE_BUILDER != "" ? BASE_BUILDER : null }
  secret     = CA != "" ? ["id=ca,src=${CA}"] : []
}
