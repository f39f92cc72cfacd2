import CoreML
import Foundation

/// The model as Core ML runs it: a file that was converted, and not run where it was made.
@available(iOS 16, macOS 13, *)
final class CoreMLSession: Inference {
  private let model: MLModel
  private let inputs: [Tensor]
  private let outputs: [Tensor]

  /// Raises `ModelError` where a file is not that of the package, or Core ML cannot load it.
  init(
    folder: URL?, sha256: [String: String], units: MLComputeUnits, inputs: [Tensor], outputs: [Tensor]
  ) throws {
    guard let folder else { throw ModelError.files("The package has no model of Core ML") }
    for (name, digest) in sha256 {
      _ = try checked(folder.appendingPathComponent(name), sha256: digest)
    }
    do {
      let options = MLModelConfiguration()
      options.computeUnits = units
      model = try MLModel(contentsOf: MLModel.compileModel(at: folder), configuration: options)
    } catch {
      throw ModelError.runtime("Core ML cannot load the model: \(error)")
    }
    self.inputs = inputs
    self.outputs = outputs
  }

  /// The outputs in real numbers, in order, for each input's prepared numbers, in order.
  func infer(_ prepared: [[Float]]) throws -> [[Float]] {
    do {
      var given: [String: MLMultiArray] = [:]
      for (one, values) in zip(inputs, prepared) {
        given[one.name] = try Self.array(values, as: one)
      }
      let found = try model.prediction(from: MLDictionaryFeatureProvider(dictionary: given))
      return try outputs.map { try Self.numbers(found.featureValue(for: $0.name)?.multiArrayValue, $0) }
    } catch let error as ModelError {
      throw error
    } catch {
      throw ModelError.runtime("Core ML failed: \(error)")
    }
  }

  private static func array(_ values: [Float], as tensor: Tensor) throws -> MLMultiArray {
    let whole = tensor.type == "int32"
    let shape = tensor.shape.map { NSNumber(value: $0) }
    let array = try MLMultiArray(shape: shape, dataType: whole ? .int32 : .float32)
    for (place, value) in values.enumerated() {
      array[place] = whole ? NSNumber(value: Int32(value)) : NSNumber(value: value)
    }
    return array
  }

  private static func numbers(_ array: MLMultiArray?, _ tensor: Tensor) throws -> [Float] {
    guard let array, array.count == tensor.size else {
      throw ModelError.runtime("Core ML gives no output \"\(tensor.name)\" of \(tensor.size) numbers")
    }
    let values = (0..<array.count).map { array[$0].floatValue }
    guard values.allSatisfy({ $0.isFinite }) else {
      throw ModelError.runtime("The output \"\(tensor.name)\" holds NaN or infinity")
    }
    return values
  }
}
