@echo off
rem datapath.exchange: this fills a Group Policy object with the rules of cas2.
rem Run it where Group Policy is managed, with the domain and the name of the object, a backslash between, in double quotes where there are
rem blanks. It deletes the rules of these names from the object before it makes them, so it can run again. Rules of an older plan have other
rem names: empty the object first, or delete those that begin with datapath.exchange. To take it back, unlink the object. RPC ports are not in
rem it.
rem How netsh names the object: https://learn.microsoft.com/windows/security/operating-system-security/network-security/windows-firewall/
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
if "%~1"=="" (echo Usage: cas2-gpo.cmd DOMAIN\OBJECT with letters, digits, blanks and ._- only& exit /b 2)
set "G=%~1"
set G| "%T%\findstr.exe" /r /x /c:"G=[A-Za-z0-9._-]*\\[A-Za-z0-9 ._-]*" >nul
if errorlevel 1 (echo Usage: cas2-gpo.cmd DOMAIN\OBJECT with letters, digits, blanks and ._- only& exit /b 2)
>"%TEMP%\datapath-cas2.netsh" echo advfirewall set store gpo="%G%"
"%T%\netsh.exe" -f "%TEMP%\datapath-cas2.netsh" || (echo DATAPATH-FAILED 1& exit /b 1)
>"%TEMP%\datapath-cas2.netsh" echo advfirewall set store gpo="%G%"
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in client-access-mailbox-same-site 6fd2823c"
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in remote-desktop adc02d37"
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in cas-to-cas-activesync 1cbb2081"
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in availability-service db2eba26"
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in autodiscover 3fbce8ab"
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in autodiscover 48cafb2a"
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall firewall delete rule name="datapath.exchange in management 50aecdfd"
"%T%\netsh.exe" -f "%TEMP%\datapath-cas2.netsh" >nul 2>&1
>"%TEMP%\datapath-cas2.netsh" echo advfirewall set store gpo="%G%"
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall firewall add rule name="datapath.exchange in management 50aecdfd" dir=in action=allow description="management" profile=any protocol=tcp localport=22,5985-5986 remoteip=192.0.2.250
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall firewall add rule name="datapath.exchange in autodiscover 48cafb2a" dir=in action=allow description="autodiscover availability-service outlook-oab-web um-web-service" profile=any protocol=tcp localport=80,443 remoteip=198.51.100.64/26
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall firewall add rule name="datapath.exchange in autodiscover 3fbce8ab" dir=in action=allow description="autodiscover availability-service outlook-web-access um-web-service" profile=any protocol=tcp localport=80,443 remoteip=0.0.0.0-255.255.255.255
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall firewall add rule name="datapath.exchange in availability-service db2eba26" dir=in action=allow description="availability-service" profile=any protocol=tcp localport=80,443 remoteip=192.0.2.31,192.0.2.151
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall firewall add rule name="datapath.exchange in cas-to-cas-activesync 1cbb2081" dir=in action=allow description="cas-to-cas-activesync cas-to-cas-owa" profile=any protocol=tcp localport=80,443 remoteip=192.0.2.31
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall firewall add rule name="datapath.exchange in remote-desktop adc02d37" dir=in action=allow description="remote-desktop" profile=any protocol=tcp localport=3389 remoteip=192.0.2.250
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall firewall add rule name="datapath.exchange in client-access-mailbox-same-site 6fd2823c" dir=in action=allow description="client-access-mailbox-same-site" profile=any protocol=any remoteip=192.0.2.141
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall set domainprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall set domainprofile logging droppedconnections enable
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall set domainprofile state on
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall set privateprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall set privateprofile logging droppedconnections enable
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall set privateprofile state on
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall set publicprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall set publicprofile logging droppedconnections enable
>>"%TEMP%\datapath-cas2.netsh" echo advfirewall set publicprofile state on
"%T%\netsh.exe" -f "%TEMP%\datapath-cas2.netsh"
set "CODE=%errorlevel%"
del /q "%TEMP%\datapath-cas2.netsh" >nul 2>&1
if not "%CODE%"=="0" (echo DATAPATH-FAILED: some of the lines above& exit /b 1)
echo DATAPATH-DONE
exit /b 0
