// The accelerator behind standard AXI signals, as a block design connects them.

`default_nettype none

module dovetail_zynq (
    (* X_INTERFACE_INFO = "xilinx.com:signal:clock:1.0 aclk CLK" *)
    (* X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF m_axi:s_axi, ASSOCIATED_RESET aresetn" *)
    input  wire aclk,
    (* X_INTERFACE_INFO = "xilinx.com:signal:reset:1.0 aresetn RST" *)
    (* X_INTERFACE_PARAMETER = "POLARITY ACTIVE_LOW" *)
    input  wire aresetn,
    (* X_INTERFACE_INFO = "xilinx.com:signal:interrupt:1.0 irq INTERRUPT" *)
    (* X_INTERFACE_PARAMETER = "SENSITIVITY LEVEL_HIGH" *)
    output wire irq,

{% macro range(width) %}{% if width > 1 %}[{{ width - 1 }}:0] {% endif %}{% endmacro %}
{% for port in ports %}
    (* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 {{ port.interface }} {{ port.name | upper }}" *)
{% if port.parameters %}
    (* X_INTERFACE_PARAMETER = "{{ port.parameters | join(", ") }}" *)
{% endif %}
    {{ "output" if port.driven else "input " }} wire {{ range(port.width) }}{{ port.interface }}_{{ port.name }}{{ "" if loop.last else "," }}
{% endfor %}
);
{% for port in packed %}
  wire {{ range(port.width) }}{{ port.name }};
{% endfor %}

{% for port in ports if port.constant is not none %}
  assign {{ port.interface }}_{{ port.name }} = {{ port.width }}'d{{ port.constant }};
{% endfor %}
{% for port in ports if port.bits %}
{% if port.driven %}
  assign {{ port.interface }}_{{ port.name }} = {{ port.bits }};
{% else %}
  assign {{ port.bits }} = {{ port.interface }}_{{ port.name }};
{% endif %}
{% endfor %}

  reg reset = 1'b1;
  always @(posedge aclk) reset <= !aresetn;

  {{ top }} accelerator (
      .clk(aclk),
      .rst(reset),
{% for port in packed %}
      .{{ port.name }}({{ port.name }}),
{% endfor %}
{% for name in observed %}
      .{{ name }}(),
{% endfor %}
      .irq(irq)
  );
endmodule

`default_nettype wire
